"""Time what a labelling does before its first image: it reads records and plans batches.

    uv run python -m benchmarks.planning --images 100000 500000 2000000

Each image has seven points; a third of the images are of sizes that occur rarely.  Tasks are made
one by one while actors label, and only every so-many-th is timed; keys are needed when some images
are done already, and at the end.  Prints CPU seconds of one process, and the most memory that it
had.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator

import numpy as np
from upath import UPath

from ray_wssis.data.records import Category, Object, Record, RecordsWriter
from ray_wssis.streaming.plan import Source, plan_batches, share_out, still_to_do

POINTS = 7  # of each image
NUM_TIMED = 200  # tasks
NETWORK_SIZE = 800, 1333
BATCH_SIZE, TASK_IMAGES = 8, 64
CATEGORIES = [Category(id=i, name=str(i)) for i in range(80)]


def records(num_images: int) -> Iterator[Record]:
    draw = np.random.default_rng(0)
    for i in range(num_images):
        common = ((480, 640), (640, 480))[int(draw.integers(2))]
        rare = int(draw.integers(300, 640)), int(draw.integers(300, 640))
        height, width = common if draw.random() < 2 / 3 else rare
        yield Record(
            image_id=i,
            file=f"/data/images/{i:012d}.jpg",
            width=width,
            height=height,
            objects=tuple(
                Object(
                    annotation_id=POINTS * i + k,
                    label=k,
                    point=(draw.uniform(0, width), draw.uniform(0, height)),
                )
                for k in range(POINTS)
            ),
        )


def measure(file: UPath) -> None:
    """Print the figures of one records file."""
    spent = [time.process_time()]
    source = Source(file, "", NETWORK_SIZE, needs_original=True)
    spent.append(time.process_time())
    batches = still_to_do(source, plan_batches(source, 32, BATCH_SIZE), np.zeros(0, np.int64))
    shares = list(share_out(source, batches, TASK_IMAGES))
    spent.append(time.process_time())
    timed = shares[:: max(1, len(shares) // NUM_TIMED)]
    for share in timed:
        source.task(share)
    spent.append(time.process_time())
    assert len(source.keys) == len(source)
    spent.append(time.process_time())
    read, plan, tasks, keys = np.diff(spent)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # of KiB
    print(
        f"| {len(source):,} | {read:.1f} | {plan:.1f} | {1000 * tasks / len(timed):.2f} "
        f"| {tasks / len(timed) * len(shares):.1f} | {keys:.1f} | {memory:.2f} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--images", type=int, nargs="+", default=[100_000, 500_000])
    parser.add_argument("--measure", help="a records file; used by the script itself")
    options = parser.parse_args()
    if options.measure:
        measure(UPath(options.measure))
        return
    columns = ("images", "records, s", "batches, s", "a task, ms", "all tasks, s", "keys, s")
    print(f"| {' | '.join(columns)} | memory, GiB |\n{'|---' * 7}|", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for num_images in options.images:
            file = f"{folder}/{num_images}.parquet"
            with RecordsWriter(UPath(file), CATEGORIES) as writer:
                for record in records(num_images):
                    writer.add(record)
            # A process of its own, as memory is counted.
            subprocess.run(
                [sys.executable, "-m", "benchmarks.planning", "--measure", file], check=True
            )


if __name__ == "__main__":
    main()
