"""Draws the chain of tags alone for the documentation.

    python -m benchmarks.cam_picture OUT/seed1 OUT/seed1_plain docs/images/cam.png

The folders are those that `python -m benchmarks.cam OUT` leaves; the images are the first ones.
"""

import argparse
from pathlib import Path

import cv2
import numpy as np
from PIL import Image
from upath import UPath

from ray_wssis.data.class_maps.png import decode
from ray_wssis.data.images.read import read_image
from ray_wssis.data.records import Records
from ray_wssis.semantic.colour_maps import palette
from ray_wssis.streaming.table import each_row

NUM_IMAGES, SIDE, GAP = 8, 96, 4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("run", type=UPath)
    parser.add_argument("plain", type=UPath)
    parser.add_argument("out", type=Path)
    options = parser.parse_args()
    truth = list(Records.read(options.run / "split/weak_truth.parquet"))[:NUM_IMAGES]
    ids = [record.image_id for record in truth]
    maps, labels = rows_of(options.plain, ids), rows_of(options.run, ids)
    lines = [
        [read_image(record.file) for record in truth],
        [heat(decode(maps[image]["scores"])) for image in ids],
        [heat(decode(labels[image]["scores"])) for image in ids],
        [coloured(decode(labels[image]["class_map"])) for image in ids],
        [coloured(decode(record.class_map or b"")) for record in truth],
    ]
    drawn = np.vstack([np.hstack([tile(image) for image in line]) for line in lines])
    Image.fromarray(drawn).save(options.out, optimize=True)


def rows_of(folder: UPath, ids: list[int]) -> dict[int, dict[str, bytes]]:
    columns = ["image_id", "class_map", "scores", "error"]
    rows = each_row(folder / "labels/rows", columns, source="weak")
    return {row["image_id"]: dict(row) for row in rows if row["image_id"] in ids}


def heat(scores: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(cv2.applyColorMap(scores, cv2.COLORMAP_INFERNO), cv2.COLOR_BGR2RGB)


def coloured(labels: np.ndarray) -> np.ndarray:
    colours: np.ndarray = palette(5)[labels]
    return colours


def tile(image: np.ndarray) -> np.ndarray:
    large = cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_NEAREST)
    return np.pad(large, ((GAP // 2,) * 2, (GAP // 2,) * 2, (0, 0)), constant_values=255)


if __name__ == "__main__":
    main()
