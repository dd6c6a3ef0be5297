"""Measure what the drivers of audit, merge and student do with the labels of many images.

    uv run python -m benchmarks.many_labels --images 20000 100000

Each image has seven points, and a mask of some 100 bytes for each, rough and refined.  Shards hold
the batches of the plan, in its order.  Prints CPU seconds of one process for each thing, and the
most memory that it had until then.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from upath import UPath

from benchmarks.planning import CATEGORIES, NETWORK_SIZE, POINTS, records
from ray_wssis.data.augment_config import AugmentConfig
from ray_wssis.data.coco.write import CocoWriter
from ray_wssis.data.records import Record, Records, RecordsWriter
from ray_wssis.instance.area_prior import AreaPrior
from ray_wssis.instance.audit import WeakNumbers
from ray_wssis.instance.label_config import AuditConfig
from ray_wssis.instance.label_row import SCHEMA
from ray_wssis.instance.merging import Merging
from ray_wssis.instance.quality import QualityModel
from ray_wssis.instance.samples import SegmenterSamples
from ray_wssis.masks import disc
from ray_wssis.metrics.calibration import Regression
from ray_wssis.streaming.plan import Source, plan_batches
from ray_wssis.streaming.shards import write_shard
from ray_wssis.streaming.table import ROWS_AT_A_TIME, RowsById, each_row, pieces

BATCH_SIZE, SHARD_BATCHES = 8, 16
NUM_DRAWN = 500  # records, as a training draws them


def labels_of(record: Record, key: int) -> dict[str, Any]:
    """Make up a row: discs of all sizes, not around their points."""
    sizes = [400 + 100 * ((key + k) % 40) for k in range(POINTS)]
    drawn = [MASKS[record.height, record.width, size] for size in sizes]
    return {
        "source": "weak",
        "key": key,
        "image_id": record.image_id,
        "file": record.file,
        "width": record.width,
        "height": record.height,
        "annotation_id": [obj.annotation_id for obj in record.objects],
        "label": [obj.label for obj in record.objects],
        "x": [obj.point[0] for obj in record.objects if obj.point],
        "y": [obj.point[1] for obj in record.objects if obj.point],
        "rough": drawn,
        "refined": drawn,
        "refined_score": [size / 5000 for size in sizes],
        "agreement": [size / 5000 for size in sizes],
        "point_inside": [True] * POINTS,
        "area": sizes,
        "flags": [[]] * POINTS,
        "stage": None,
        "error": None,
    }


class Discs(dict[tuple[int, int, int], bytes]):
    """Masks by height, width and area, each drawn once."""

    def __missing__(self, size: tuple[int, int, int]) -> bytes:
        self[size] = disc((150, 150), size[2], size[0], size[1])
        return self[size]


MASKS = Discs()


def make_up(folder: UPath, num_images: int) -> None:
    with RecordsWriter(folder / "weak.parquet", CATEGORIES) as writer:
        for record in records(num_images):
            writer.add(record)
    source = Source(folder / "weak.parquet", "", NETWORK_SIZE, needs_original=True)
    weak = Records(source.table, CATEGORIES)
    for batches in pieces(plan_batches(source, 32, BATCH_SIZE), SHARD_BATCHES):
        places = [place for batch in batches for place in batch]
        drawn = zip(weak.select(places), places, strict=True)
        write_shard(folder / "rows", [labels_of(record, place) for record, place in drawn], SCHEMA)


@contextmanager
def timed(what: str, num: int) -> Iterator[None]:
    start = time.process_time()
    yield
    seconds = time.process_time() - start
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # of KiB
    print(f"| {num:,} | {what} | {seconds:.1f} | {memory:.2f} |", flush=True)


def measure(folder: UPath) -> None:
    """Print the figures of one folder that was made up."""
    weak = Records.read(folder / "weak.parquet")
    num, rows = len(weak), folder / "rows"
    prior = AreaPrior(mean=7.0, spread=1.0, means={}, spreads={})
    learnt = Regression(
        means=[0.5, 0.5],
        spreads=[0.3, 0.3],
        weights=[1.0, 1.0],
        intercept=0.5,
        covariance=np.diag([0.01, 0.01, 0.01]).tolist(),
    )
    model = QualityModel(signals=("refined_score", "agreement"), prior=prior, regression=learnt)
    with timed("audit: all rows", num):
        numbers = WeakNumbers(model, AuditConfig(), len(CATEGORIES))
        for piece in pieces(each_row(rows, numbers.columns, source="weak"), ROWS_AT_A_TIME):
            numbers.add(piece)
        assert numbers.num_images == num
    merging = Merging(
        rows=RowsById(rows, "weak"),
        model=model,
        threshold=0.5,
        below="auto",
        corrections={},
        lineage={"labels": "0" * 12},
        incomplete=set(),
    )
    with timed("merge: rough masks", num), CocoWriter(folder / "a.json", CATEGORIES) as rough:
        for merged in merging.rough(weak):
            rough.add(merged.record, merged.extra)
    with (
        timed("merge: refined masks", num),
        CocoWriter(folder / "b.json", CATEGORIES) as refined,
        RecordsWriter(folder / "train.parquet", CATEGORIES) as writer,
    ):
        for merged in merging.refined(weak):
            refined.add(merged.record, merged.extra)
            writer.add(merged.record)
    with timed("student: read the training set", num):
        samples = SegmenterSamples(Records.read(folder / "train.parquet"), AugmentConfig())
        assert len(samples.orientations()) == num
    drawn = np.random.default_rng(0).integers(0, num, NUM_DRAWN).tolist()
    with timed(f"student: {NUM_DRAWN} records drawn", num):
        assert all(samples.records[index].objects for index in drawn)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--images", type=int, nargs="+", default=[20_000])
    parser.add_argument("--measure", help="a folder; used by the script itself")
    options = parser.parse_args()
    if options.measure:
        measure(UPath(options.measure))
        return
    print("| images | what | CPU s | memory, GiB |\n|---|---|---|---|", flush=True)
    for num_images in options.images:
        with tempfile.TemporaryDirectory() as folder:
            make_up(UPath(Path(folder)), num_images)
            command = [sys.executable, "-m", "benchmarks.many_labels", "--measure", folder]
            subprocess.run(command, check=True)  # a process of its own, as memory is counted


if __name__ == "__main__":
    main()
