"""Points on images of PASCAL VOC: the JSON of "What's the Point" (arXiv:1506.02106).

It is an object with a list of points for each image, `{"2007_000032": [{"x": 10, "y": 20, "cls": 1,
"rank": 1}]}`.  x and y are pixels counted from 0, cls counts the 20 classes from 1 on; others
published points of the background in the same form, with cls 0.
"""

import json
import re
from collections.abc import Iterator

from pydantic import BaseModel, Field
from upath import UPath

from ray_wssis.data.class_maps.voc import NAMES
from ray_wssis.data.imports.export import Mark, MarkedImage, Notes, checked

BEGINNING = 4096  # bytes, by which a file is recognised
BEGINS = re.compile(
    rb'\s*\{(\s*"[^"]+"\s*:\s*\[\s*\]\s*,)*\s*"[^"]+"\s*:\s*\[\s*\{\s*"(x|y|cls|rank)"'
)


class _Point(BaseModel):
    x: float
    y: float
    cls: int = Field(ge=0, lt=len(NAMES))


def is_voc_points(file: UPath) -> bool:
    """Tell whether a file begins like one of points on VOC."""
    with file.open("rb") as stream:
        return bool(BEGINS.match(stream.read(BEGINNING)))


def read_voc_points(export: UPath, notes: Notes) -> Iterator[MarkedImage]:
    """Read the images of a file, each with its points; pixels become their middles.

    Raises ValueError for a file of another kind.
    """
    entries = json.loads(export.read_bytes())
    if not isinstance(entries, dict) or not all(
        isinstance(each, list) for each in entries.values()
    ):
        raise ValueError("no object with a list of points for each image")
    for name, points in entries.items():
        image = MarkedImage(where=f"image {name}", name=name)
        for place, entry in enumerate(points):
            with notes.item(f"{image.where}, point {place}") as where:
                point = checked(_Point, entry)
                x, y = point.x + 0.5, point.y + 0.5
                image.marks.append(Mark(where=where, class_name=NAMES[point.cls], x=x, y=y))
        yield image
