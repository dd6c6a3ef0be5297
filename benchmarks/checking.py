"""Time `wssis data check` and the reading of a COCO file, without its images.

    uv run python -m benchmarks.checking --annotations 100000

The file has ten ellipses of 30 corners in every image of 640 x 480, with their boxes and areas.
"""

import argparse
import json
import math
import random
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.timing import interleaved, spread
from ray_wssis.data.check.coco import check_file
from ray_wssis.data.coco.read import read_coco

WIDTH, HEIGHT = 640, 480
PER_IMAGE = 10
CORNERS = 30
NUM_CLASSES = 80


def ellipse(number: int, draw: random.Random) -> dict[str, Any]:
    across, down = draw.uniform(5, 55), draw.uniform(5, 55)  # half axes, in pixels
    x, y = draw.uniform(60, WIDTH - 60), draw.uniform(60, HEIGHT - 60)
    angles = [2 * math.pi * i / CORNERS for i in range(CORNERS)]
    corners = [(x + across * math.cos(a), y + down * math.sin(a)) for a in angles]
    return {
        "id": number,
        "image_id": number // PER_IMAGE,
        "category_id": 1 + number % NUM_CLASSES,
        "iscrowd": 0,
        "segmentation": [[round(value, 2) for corner in corners for value in corner]],
        "bbox": [x - across, y - down, 2 * across, 2 * down],
        "area": math.pi * across * down,
    }


def write_file(file: Path, num_annotations: int) -> None:
    draw = random.Random(0)
    numbers = range(-(-num_annotations // PER_IMAGE))
    data = {
        "images": [
            {"id": i, "file_name": f"{i}.jpg", "width": WIDTH, "height": HEIGHT} for i in numbers
        ],
        "annotations": [ellipse(i, draw) for i in range(num_annotations)],
        "categories": [{"id": i + 1, "name": f"class {i + 1}"} for i in range(NUM_CLASSES)],
    }
    file.write_text(json.dumps(data))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--annotations", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        file = str(Path(folder) / "instances.json")
        write_file(Path(file), given.annotations)
        ways = {"check": lambda: check_file(file), "read": lambda: read_coco(file, "")}
        for name, seconds in interleaved(ways, given.runs).items():
            print(f"{name}: {spread(seconds)}")


if __name__ == "__main__":
    main()
