"""Measures the cost of streaming: labelling on Ray against a plain loop over the same images.

    python -m benchmarks.labelling RUN --images 1200 --runs 3

Teacher and refiner are those of a finished run.  The loop is what one would write by hand: read,
draw, refine, encode, batch after batch in one process, with all cores for the networks.  The clock
of both starts when networks are loaded and the first images are done: the loop's after a batch,
Ray's with its first shard.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from upath import UPath

from benchmarks.timing import significant, table
from ray_wssis.artifacts import Part
from ray_wssis.data.builtin.shapes import write_shapes
from ray_wssis.data.coco import read_coco
from ray_wssis.data.images import read_image
from ray_wssis.data.point_kind import PointKind
from ray_wssis.data.records import Records
from ray_wssis.data.split import as_weak
from ray_wssis.instance.segmenter import network_image
from ray_wssis.instance.segmenter_config import read_config
from ray_wssis.methods.point_wssis.labeller import PointLabeller
from ray_wssis.models.model_folder import hash_model
from ray_wssis.streaming.config import LabellingWorkers
from ray_wssis.streaming.decode import Image
from ray_wssis.streaming.stream import Pass, stream
from ray_wssis.streaming.table import read_columns, shards
from ray_wssis.streaming.throughput import Throughput

BATCH = 8  # images


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("run", type=UPath, help="folder of a finished run of shapes")
    parser.add_argument("--images", type=int, default=1200)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    models = {name: str(options.run / name / "model") for name in ("teacher", "refiner")}
    loop, rays, whole = [], [], []
    with tempfile.TemporaryDirectory() as folder:
        records = pointed_shapes(Path(folder), options.images)
        for number in range(options.runs):
            out = UPath(folder) / f"rows{number}"
            done = on_ray(records, models, out)
            rays.append(rate_after_first(out))
            whole.append(done.rate or 0.0)
            print(f"{dict(done.busy)}, bottleneck {done.bottleneck}")
            loop.append(by_hand(records, models))
    rows = [
        row("loop", loop, loop),
        row("Ray", rays, loop),
        row("Ray, including the start of its processes", whole, loop),
    ]
    print(table(["labelling", "images / s", "/ loop"], rows))


def rate_after_first(out: UPath) -> float:
    """Images per second from the first shard to the last."""
    files = sorted(shards(out), key=lambda file: file.stat().st_mtime)
    later = sum(read_columns(file, ["key"]).num_rows for file in files[1:])
    return float(later / (files[-1].stat().st_mtime - files[0].stat().st_mtime))


def row(name: str, rates: list[float], beside: list[float]) -> list[str]:
    middle = statistics.median(rates)
    ends = f"{significant(min(rates))}-{significant(max(rates))}"
    share = significant(middle / statistics.median(beside))
    return [name, f"{significant(middle)} ({ends})", f"**{share}**"]


def pointed_shapes(folder: Path, num_images: int) -> UPath:
    annotations = write_shapes(UPath(folder / "shapes"), num_images, seed=7, size=128)
    everything = read_coco(annotations, UPath(folder / "shapes/images"))
    as_weak(everything, PointKind.CENTROID, 0).write(UPath(folder / "weak.parquet"))
    return UPath(folder / "weak.parquet")


def labeller_of(models: dict[str, str]) -> PointLabeller:
    parts = {name: UPath(folder) for name, folder in models.items()}
    teacher, refiner = (
        Part(path=parts[name], digest=hash_model(parts[name])) for name in ("teacher", "refiner")
    )
    return PointLabeller.of(teacher, refiner)


def on_ray(records: UPath, models: dict[str, str], out: UPath) -> Throughput:
    """Label as `wssis label` does."""
    job = Pass(name="labels", records=[records], labeller=labeller_of(models), out=out)
    return stream(job, LabellingWorkers(batch_size=BATCH))


def by_hand(records: UPath, models: dict[str, str]) -> float:
    """Label in a plain loop; return images per second."""
    labeller, config = labeller_of(models), read_config(UPath(models["teacher"]))
    infer = labeller.open()
    all_records, rows = list(Records.read(records)), []
    start = 0.0
    for first in range(0, len(all_records), BATCH):
        images = []
        for record in all_records[first : first + BATCH]:
            pixels = read_image(record.file, (record.height, record.width))
            small = network_image(pixels, config)
            images.append(
                Image(record=record, source="weak", key=0, pixels=pixels, network_image=small)
            )
        rows += [labeller.finish(draft) for draft in infer(images)]
        if first == 0:
            start = time.perf_counter()
    pq.write_table(pa.Table.from_pylist(rows, schema=labeller.schema), "/dev/null")
    return (len(all_records) - BATCH) / (time.perf_counter() - start)


if __name__ == "__main__":
    main()
