"""Rough masks for the strong pictures, to drill the refiner with (PointWSSIS, arXiv:2303.15062).

They come from early checkpoints of the teacher, because the last one nearly knows the strong
pictures by heart and its masks would be too good to learn from.  Each object is drawn twice per
checkpoint: by the level that its size belongs to, and by the level that its point picks, which is
how the refiner will meet masks later.

Differs from the paper: the published code draws by size only, with up to nine cells an object.
"""

from typing import Any

import pyarrow as pa
from upath import UPath

from ray_wssis.data.records import Object, Record
from ray_wssis.instance.label import best_device
from ray_wssis.instance.segmenter import Segmenter
from ray_wssis.masks import bounding_box
from ray_wssis.methods.point_wssis.point_segmenter import draw_points
from ray_wssis.streaming.decode import Picture

SCHEMA = pa.schema(
    [
        ("image_id", pa.int64()),
        ("annotation_id", pa.list_(pa.int64())),
        ("rough", pa.list_(pa.binary())),  # run-length counts, null where nothing was drawn
    ]
)


class DrawRoughMasks:
    """Pictures -> one row per picture, checkpoint and way of picking the level.

    `teachers` are the model folders that draw for the pictures of each source.
    """

    def __init__(self, teachers: dict[str, list[str]]) -> None:
        device = best_device()
        self.teachers = {
            source: [Segmenter.load(UPath(folder), device) for folder in folders]
            for source, folders in teachers.items()
        }

    def __call__(self, pictures: list[Picture]) -> list[dict[str, Any]]:
        rows = []
        for source, teachers in self.teachers.items():
            some = [picture for picture in pictures if picture.source == source]
            rows += [row for teacher in teachers for row in draw(teacher, some)]
        return rows


def draw(teacher: Segmenter, pictures: list[Picture]) -> list[dict[str, Any]]:
    if not pictures:
        return []
    output = teacher.forward([picture.network_image for picture in pictures])
    rows = []
    for index, picture in enumerate(pictures):
        record = picture.record
        objects = drawable(record)
        for sizes in (box_sizes(objects, record.height, record.width), None):
            rough = draw_points(
                teacher,
                output,
                index,
                picture.network_image.shape[:2],
                (record.height, record.width),
                [obj.point for obj in objects if obj.point is not None],
                [obj.label for obj in objects],
                sizes,
            )
            rows.append(
                {
                    "image_id": record.image_id,
                    "annotation_id": [obj.annotation_id for obj in objects],
                    "rough": rough.masks,
                }
            )
    return rows


def drawable(record: Record) -> list[Object]:
    """Objects with both a mask and a point, crowds left out."""
    return [
        obj
        for obj in record.objects
        if obj.mask is not None and obj.point is not None and not obj.crowd
    ]


def box_sizes(objects: list[Object], height: int, width: int) -> list[tuple[float, float]]:
    """(width, height) of each object in pixels of the original image, `height` x `width`."""
    boxes = [bounding_box(obj.mask, height, width) for obj in objects if obj.mask is not None]
    return [(float(x1 - x0), float(y1 - y0)) for x0, y0, x1, y1 in boxes]
