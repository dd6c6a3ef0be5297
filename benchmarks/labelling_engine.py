"""Measures the engine without networks: scaling, memory, the time of a rerun.

    python -m benchmarks.labelling_engine scaling --actors 1 2 4 8 16 32
    python -m benchmarks.labelling_engine rerun --images 1000000
    python -m benchmarks.labelling_engine memory --images 20000 --plot docs/images/memory.svg

`scaling` gives each actor a stand-in that sleeps for 50 ms a batch.  `rerun` makes up the shards of
a finished job.  `memory` labels real images of 64 pixels with small untrained networks, and samples
the private memory of every process.
"""

import argparse
import os
import tempfile
import threading
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import ray
from matplotlib.figure import Figure
from upath import UPath

from benchmarks.timing import significant, table
from ray_wssis.artifacts import Part
from ray_wssis.data.builtin.shapes import write_shapes
from ray_wssis.data.coco.read import read_coco
from ray_wssis.data.points.kind import PointKind
from ray_wssis.data.records import SCHEMA as RECORDS
from ray_wssis.data.records import Category, Records
from ray_wssis.data.split.cut import as_weak
from ray_wssis.instance.segmenter import Segmenter
from ray_wssis.instance.segmenter_config import SegmenterConfig
from ray_wssis.methods.point_wssis.labeller import PointLabeller
from ray_wssis.methods.point_wssis.refiner import Refiner
from ray_wssis.models.mask_refine_net import MaskRefineNet
from ray_wssis.models.mask_refine_net_config import MaskRefineNetConfig
from ray_wssis.models.model_folder import hash_model
from ray_wssis.models.solov2 import SOLOv2
from ray_wssis.streaming.config import LabellingWorkers
from ray_wssis.streaming.decode import Image
from ray_wssis.streaming.labeller import Infer, Labeller, Row
from ray_wssis.streaming.plan import Source
from ray_wssis.streaming.shards import with_common, write_table
from ray_wssis.streaming.stream import Pass, stream
from ray_wssis.streaming.table import each_row, read_columns, shards
from tests.support.tiny import TINY

SIZE = 64  # pixels of a side
STEP = 0.05  # seconds that the stand-in takes for a batch
BATCHES_EACH = 600  # that an actor is given
SHARD = 1000  # made-up rows
SAMPLE_EVERY = 2.0  # seconds


@dataclass(frozen=True)
class StandIn:
    """A labeller that sleeps, and notes when it was done."""

    made_from = ""
    schema = pa.schema([("image_id", pa.int64()), ("actor", pa.int64()), ("at", pa.float64())])
    network_size = (SIZE, SIZE)
    canvas_multiple = 32
    needs_original = True

    def open(self) -> Infer:
        return wait

    def finish(self, row: Row) -> Row:
        return row


def wait(images: list[Image]) -> list[Row]:
    time.sleep(STEP)
    done = {"actor": os.getpid(), "at": time.time()}
    return [{"image_id": image.record.image_id} | done for image in images]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("what", choices=["scaling", "rerun", "memory"])
    parser.add_argument("--actors", type=int, nargs="+", default=[1, 2, 4, 8, 16, 32])
    parser.add_argument("--images", type=int, default=20_000)
    parser.add_argument("--plot", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        match options.what:
            case "scaling":
                scaling(Path(folder), options.actors)
            case "rerun":
                rerun(Path(folder), options.images)
            case "memory":
                memory(Path(folder), options.images, options.plot)


def pointed_images(folder: Path, num: int) -> UPath:
    """Write records with points on `num` images, of which one in ten has a file of its own."""
    distinct = max(1, num // 10)
    annotations = write_shapes(UPath(folder / "shapes"), distinct, seed=7, size=SIZE)
    weak = as_weak(read_coco(annotations, UPath(folder / "shapes/images")), PointKind.CENTROID, 0)
    return write_repeated(weak, num, folder)


def write_repeated(records: Records, num: int, folder: Path) -> UPath:
    """Write records of `num` images, showing the same files again and again."""
    times = -(-num // len(records))
    ids = pa.array(range(1, times * len(records) + 1), type=pa.int64())
    repeated = pa.concat_tables([records.table] * times).set_column(0, "image_id", ids)
    Records(repeated.slice(0, num), records.categories).write(UPath(folder / "weak.parquet"))
    return UPath(folder / "weak.parquet")


def scaling(folder: Path, actors: list[int]) -> None:
    """Batches per second of more and more actors, while all of them are there."""
    ray.init(num_cpus=2 * max(actors), include_dashboard=False, log_to_driver=False)
    rows = []
    for number in actors:
        records = pointed_images(folder / f"{number}", BATCHES_EACH * number)
        workers = LabellingWorkers(number=number, batch_size=1, shard_size=32)
        out = UPath(folder / f"out{number}")
        stream(Pass(name="scaling", records=[records], labeller=StandIn(), out=out), workers)
        rate = steady_rate(out)
        share = rate * STEP / number
        rows.append([f"{number}", significant(rate), f"**{share:.2f}**"])
    print(table(["actors", "batches / s", "of 20 per second and actor"], rows))


def steady_rate(out: UPath) -> float:
    """Batches per second from when the last actor has begun to when the first has ended."""
    done = defaultdict(list)
    for row in each_row(out, ["actor", "at"]):
        done[row["actor"]].append(row["at"])
    begin, end = max(map(min, done.values())), min(map(max, done.values()))
    within = [at for times in done.values() for at in times if begin < at <= end]
    return len(within) / float(end - begin)


def rerun(folder: Path, num: int) -> None:
    """Time the rerun of a job that has rows for all its images."""
    records = folder / "weak.parquet"
    points = 5
    made_up: dict[str, Any] = {
        "image_id": np.arange(num),
        "file": [f"s3://bucket/images/{i:09d}.jpg" for i in range(num)],
        "width": np.full(num, 640, np.int32),
        "height": np.full(num, 480, np.int32),
    }
    offsets = pa.array(np.arange(num + 1, dtype=np.int32) * points)
    numbers = np.arange(num * points)
    lists = {
        "annotation_id": numbers,
        "label": (numbers % 80).astype(np.int32),
        "mask": pa.nulls(num * points, pa.binary()),
        "x": numbers % 640 + 0.5,
        "y": numbers % 480 + 0.5,
        "crowd": np.zeros(num * points, bool),
        "clicks": None,
    }
    columns = []
    for field in RECORDS:
        if field.name in made_up:
            columns.append(pa.array(made_up[field.name], type=field.type))
        elif field.name not in lists:
            columns.append(pa.nulls(num, field.type))
        elif field.name == "clicks":
            no_clicks = pa.array([[]] * (num * points), type=field.type.value_type)
            columns.append(pa.ListArray.from_arrays(offsets, no_clicks).cast(field.type))
        else:
            values = pa.array(lists[field.name]).cast(field.type.value_type)
            columns.append(pa.ListArray.from_arrays(offsets, values).cast(field.type))
    whole = pa.Table.from_arrays(columns, schema=RECORDS)
    Records(whole, [Category(id=i, name=f"class {i}") for i in range(80)]).write(UPath(records))
    labeller, out = StandIn(), UPath(folder / "out")
    job = Pass(name="rerun", records=[UPath(records)], labeller=labeller, out=out)
    source = Source(UPath(records), labeller.made_from, labeller.network_size, needs_original=True)
    schema = with_common(PointLabeller.schema)
    empty = {field.name: pa.nulls(SHARD, field.type) for field in schema}
    for first in range(0, num, SHARD):
        keys = source.keys[first : first + SHARD]
        known = {"key": pa.array(keys), "hash": pa.array(keys)}
        rows = {
            name: known.get(name, nothing.slice(0, len(keys))) for name, nothing in empty.items()
        }
        write_table(job.out, pa.table(rows, schema=schema))
    start = time.perf_counter()
    assert stream(job, LabellingWorkers()).num_images == 0
    print(f"{num} images in {len(shards(job.out))} shards: {time.perf_counter() - start:.1f} s")


def memory(folder: Path, num: int, plot: Path | None) -> None:
    """Sample the private memory of every process while images are labelled."""
    records = pointed_images(folder, num)
    categories = Records.read(records).categories
    config = SegmenterConfig(network=TINY, shorter=SIZE, longest=SIZE)
    Segmenter(SOLOv2(TINY, len(categories)), config, categories).save(UPath(folder / "t"), "")
    small = MaskRefineNetConfig(encoder="resnet18", weights="none", crop_size=32)
    Refiner(MaskRefineNet(small, len(categories)), categories).save(UPath(folder / "r"), "")
    teacher, refiner = (
        Part(path=UPath(folder / name), digest=hash_model(UPath(folder / name))) for name in "tr"
    )
    sampler = sampled(records, PointLabeller.of(teacher, refiner), UPath(folder / "out"))
    print(sampler.table(num))
    if plot is not None:
        draw(sampler.samples, plot)


def sampled(records: UPath, labeller: Labeller, out: UPath) -> "Sampler":
    """Show all images to the labeller, and sample meanwhile."""
    sampler = Sampler(out)
    sampler.start()
    stream(Pass(name="memory", records=[records], labeller=labeller, out=out), LabellingWorkers())
    sampler.stop()
    return sampler


class Sampler(threading.Thread):
    """Private MiB of this process and all that descend from it, by what they do, beside the
    number of images that are done."""

    def __init__(self, out: UPath) -> None:
        super().__init__(daemon=True)
        self.out = out
        self.samples: list[tuple[int, dict[str, float]]] = []
        self.finished = threading.Event()

    def stop(self) -> None:
        self.finished.set()
        self.join()

    def run(self) -> None:
        counted: dict[str, int] = {}
        while not self.finished.wait(SAMPLE_EVERY):
            for file in shards(self.out):
                if file.name not in counted:
                    counted[file.name] = read_columns(file, ["key"]).num_rows
            self.samples.append((sum(counted.values()), private_mib(os.getpid())))

    def table(self, num: int) -> str:
        """Peaks after a tenth of the images, and at all."""
        early = [found for done, found in self.samples if 0 < done <= num // 10]
        late = [found for done, found in self.samples if done > num // 10]
        names = sorted({name for found in late for name in found})
        rows = []
        for name in names:
            before, after = (
                max((found.get(name, 0.0) for found in part), default=0.0) for part in (early, late)
            )
            rows.append([name, f"{before:.0f}", f"{after:.0f}"])
        return table(["process", f"peak of the first {num // 10}, MiB", "peak afterwards"], rows)


def private_mib(root: int) -> dict[str, float]:
    """The largest process of each kind, and all of them together."""
    children = defaultdict(list)
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        children[parent].append(int(folder.name))
    found: dict[str, float] = defaultdict(float)
    waiting = [root]
    while waiting:
        pid = waiting.pop()
        waiting += children[pid]
        try:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            title = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
        except OSError:
            continue
        mib = sum(int(line.split()[1]) for line in lines if line.startswith("Private_")) / 1024
        kind = "driver" if pid == root else kind_of(title)
        found[kind] = max(found[kind], mib)
        found["all together"] += mib
    return dict(found)


def kind_of(title: str) -> str:
    """`ray::MapWorker(MapBatches(StreamActor))` is an actor, and so on."""
    kinds = {
        "StreamActor": "actor",
        "decode_batches": "decoding or writing task",
        "finish_and_write": "decoding or writing task",
        "ray::IDLE": "decoding or writing task",
        "raylet": "raylet",
        "gcs_server": "gcs",
    }
    return next((kind for part, kind in kinds.items() if part in title), "other Ray processes")


def draw(samples: list[tuple[int, dict[str, float]]], plot: Path) -> None:
    """A curve for each kind of process."""
    known = [(done, found) for done, found in samples if done]
    figure = Figure(figsize=(8, 3.6), layout="constrained")
    axes = figure.add_subplot(xlabel="images that are done", ylabel="private memory, MiB")
    for name in sorted({name for _, found in known for name in found}):
        line = [(done, found[name]) for done, found in known if name in found]
        axes.plot(*zip(*line, strict=True), label=name)
    axes.set_ylim(bottom=0)
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
    figure.savefig(plot)


if __name__ == "__main__":
    main()
