"""Measures the cost of streaming: images shown to networks on Ray, against a plain loop.

    python -m benchmarks.labelling RUN --images 1200 --runs 3

The networks are those of a finished run: teacher and refiner of shapes, which label, or those of
class maps, which label (`hybrid`) and are evaluated (`student`).  The loop is what one would write
by hand: read, draw, refine, encode, batch after batch in one process, with all cores for the
networks.  The clock of both starts when networks are loaded and the first images are done: the
loop's after a batch, Ray's with its first shard.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
from upath import UPath

from benchmarks.timing import significant, table
from ray_wssis.artifacts import Part
from ray_wssis.data.builtin.semantic_shapes import (
    CLASS_MAPS,
    CLASSES,
    IMAGES,
    write_semantic_shapes,
)
from ray_wssis.data.builtin.shapes import write_shapes
from ray_wssis.data.class_maps.folder import read_folder
from ray_wssis.data.coco.read import read_coco
from ray_wssis.data.images.read import read_image, resize_image, shortest_edge_size
from ray_wssis.data.points.kind import PointKind
from ray_wssis.data.problem import Problems
from ray_wssis.data.records import Records
from ray_wssis.data.split.cut import as_weak
from ray_wssis.methods.point_wssis.labeller import PointLabeller
from ray_wssis.models.model_folder import hash_model
from ray_wssis.semantic.count_labels import CountLabels
from ray_wssis.semantic.draw_class_maps import DrawClassMaps
from ray_wssis.semantic.segmenter_config import Views
from ray_wssis.semantic.sources import with_shown_tags
from ray_wssis.streaming.config import LabellingWorkers
from ray_wssis.streaming.decode import Image
from ray_wssis.streaming.labeller import Labeller
from ray_wssis.streaming.stream import Pass, stream
from ray_wssis.streaming.table import read_columns, shards
from ray_wssis.streaming.throughput import Throughput

BATCH = 8  # images


class Work(NamedTuple):
    """Images, and what looks at them."""

    name: str
    records: UPath
    labeller: Labeller


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("run", type=UPath, help="folder of a finished run of built-in images")
    parser.add_argument("--images", type=int, default=1200)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    is_semantic = (options.run / "hybrid").exists()
    with tempfile.TemporaryDirectory() as folder:
        works = (of_class_maps if is_semantic else of_shapes)(
            options.run, Path(folder), options.images
        )
        for work in works:
            compare(work, options.runs, UPath(folder) / work.name)


def compare(work: Work, runs: int, folder: UPath) -> None:
    loop, rays, whole = [], [], []
    for number in range(runs):
        out = folder / f"rows{number}"
        done = on_ray(work, out)
        rays.append(rate_after_first(out))
        whole.append(done.rate or 0.0)
        print(f"{dict(done.busy)}, bottleneck {done.bottleneck}")
        loop.append(by_hand(work))
    rows = [
        row("loop", loop, loop),
        row("Ray", rays, loop),
        row("Ray, including the start of its processes", whole, loop),
    ]
    print(table([work.name, "images / s", "/ loop"], rows))


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


def model_of(run: UPath, stage: str) -> Part:
    folder = run / stage / "model"
    return Part(path=folder, digest=hash_model(folder))


def of_shapes(run: UPath, folder: Path, num_images: int) -> list[Work]:
    labeller = PointLabeller.of(model_of(run, "teacher"), model_of(run, "refiner"))
    return [Work("labelling", pointed_shapes(folder, num_images), labeller)]


def of_class_maps(run: UPath, folder: Path, num_images: int) -> list[Work]:
    records, num_classes = tagged_shapes(folder, num_images)
    labeller = DrawClassMaps.of(model_of(run, "hybrid"), Views(flip=True))
    counter = CountLabels.of({"student": model_of(run, "student")}, num_classes, Views())
    return [Work("labelling", records, labeller), Work("evaluation", records, counter)]


def tagged_shapes(folder: Path, num_images: int, size: int = 64) -> tuple[UPath, int]:
    """Write images with class maps and tags; return their records and the number of classes."""
    root = write_semantic_shapes(UPath(folder / "shapes"), num_images, seed=7, size=size)
    images, class_maps, classes = (str(root / name) for name in (IMAGES, CLASS_MAPS, CLASSES))
    everything = with_shown_tags(read_folder(images, class_maps, classes, Problems()))
    everything.write(UPath(folder / "weak.parquet"))
    return UPath(folder / "weak.parquet"), len(everything.categories)


def on_ray(work: Work, out: UPath) -> Throughput:
    """Show the images as a run does."""
    job = Pass(name=work.name, records=[work.records], labeller=work.labeller, out=out)
    return stream(job, LabellingWorkers(batch_size=BATCH))


def by_hand(work: Work) -> float:
    """Show the images in a plain loop; return images per second."""
    labeller, infer = work.labeller, work.labeller.open()
    all_records, rows = list(Records.read(work.records)), []
    start = 0.0
    for first in range(0, len(all_records), BATCH):
        images = []
        for record in all_records[first : first + BATCH]:
            pixels = read_image(record.file, (record.height, record.width))
            size = shortest_edge_size(record.height, record.width, *labeller.network_size)
            small = resize_image(pixels, *size)
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
