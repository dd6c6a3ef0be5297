"""Measure the reading of large COCO files, and their split: time and memory.

    uv run python -m benchmarks.reading --images 100000 500000 2000000

Each image has five annotations.  Those of one image in twenty have outlines of 30 corners with box
and area, as strong images have; the others have a point.  Annotations are not sorted by image.
Prints CPU seconds of one process, and the most memory that it had.
"""

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.checking import NUM_CLASSES, ellipse
from ray_wssis.data.coco.crowds import Crowds
from ray_wssis.data.coco.read import read_coco
from ray_wssis.data.points.kind import PointKind
from ray_wssis.data.split.files import split_file

WIDTH, HEIGHT = 640, 480
PER_IMAGE = 5
STRONG_EVERY = 20  # images
PERCENT = 5.0
STEP = 7919  # a prime: every image is met once in steps of it


def annotation(number: int, image: int, draw: random.Random) -> dict[str, Any]:
    category = draw.randint(1, NUM_CLASSES)
    if image % STRONG_EVERY == 0:
        return ellipse(number, draw) | {"image_id": image, "category_id": category}
    point = [round(draw.uniform(0, WIDTH - 1), 2), round(draw.uniform(0, HEIGHT - 1), 2)]
    return {"id": number, "image_id": image, "category_id": category, "point": point}


def write_file(file: Path, num_images: int) -> None:
    draw = random.Random(0)
    with file.open("w") as stream:
        stream.write('{"images": [')
        for i in range(num_images):
            entry = {"id": i, "file_name": f"{i:012d}.jpg", "width": WIDTH, "height": HEIGHT}
            stream.write(", " * bool(i) + json.dumps(entry))
        stream.write('], "annotations": [')
        for number in range(PER_IMAGE * num_images):
            image = number * STEP % num_images
            stream.write(", " * bool(number) + json.dumps(annotation(number, image, draw)))
        categories = [{"id": i + 1, "name": f"class {i + 1}"} for i in range(NUM_CLASSES)]
        stream.write(f'], "categories": {json.dumps(categories)}}}')


def measure(what: str, file: Path, num_images: int) -> None:
    """Print the figures of one file."""
    start = time.process_time()
    if what == "read":
        assert len(read_coco(str(file), "")) == num_images
    else:
        split_file(
            str(file),
            str(file.parent / "split"),
            percent=PERCENT,
            seed=0,
            point_kind=PointKind.CENTROID,
            crowds=Crowds.IGNORE,
        )
    seconds = time.process_time() - start
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # of KiB
    size = file.stat().st_size / 1e9
    print(
        f"| {what} | {num_images:,} | {PER_IMAGE * num_images:,} | {size:.2f} | {seconds:.0f} "
        f"| {memory:.2f} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--images", type=int, nargs="+", default=[100_000])
    parser.add_argument("--what", nargs="+", default=["read", "split"], choices=["read", "split"])
    parser.add_argument("--measure", help="a COCO file; used by the script itself")
    options = parser.parse_args()
    if options.measure:
        measure(options.what[0], Path(options.measure), options.images[0])
        return
    print("| what | images | annotations | file, GB | CPU s | memory, GiB |", flush=True)
    print("|---|---|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "instances.json"
        for num_images in options.images:
            write_file(file, num_images)
            for what in options.what:  # each in a process of its own, as memory is counted
                words = ["--measure", str(file), "--what", what, "--images", str(num_images)]
                subprocess.run([sys.executable, "-m", "benchmarks.reading", *words], check=True)


if __name__ == "__main__":
    main()
