"""Records of squares at known places."""

import numpy as np

from ray_wssis.data.records import Category, Object, Record, Records
from ray_wssis.masks import encode

CATEGORIES = (Category(id=1, name="dog"), Category(id=2, name="cat"))
Square = tuple[int, int, int]  # left, top, side


def image_of(
    image_id: int, squares: list[Square], height: int = 100, width: int = 100, label: int = 0
) -> Record:
    """Make an image with a mask and a point, in the middle, for each square."""
    objects = []
    for number, (left, top, side) in enumerate(squares):
        mask = np.zeros((height, width), dtype=bool)
        mask[top : top + side, left : left + side] = True
        objects.append(
            Object(
                annotation_id=1000 * image_id + number,
                label=label,
                mask=encode(mask),
                point=(left + side / 2, top + side / 2),
            )
        )
    return Record(
        image_id=image_id,
        file=f"{image_id}.png",
        width=width,
        height=height,
        objects=tuple(objects),
    )


def records_of(*records: Record) -> Records:
    return Records.from_rows(records, CATEGORIES)
