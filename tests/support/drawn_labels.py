"""Rows of labels as the labelling stage writes them, their masks drawn by hand.

A mask is the true one, moved by some pixels; the further, the less sure are class score and level
margin, as it is with real ones.
"""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from upath import UPath

from ray_wssis.data.records import Record
from ray_wssis.instance.label_row import find_flags
from ray_wssis.masks import area, contains, decode, encode, iou
from ray_wssis.methods.point_wssis.labeller import PointLabeller
from ray_wssis.streaming.shards import with_common

MISSING = 17  # every so many points get no mask


def moved(mask: bytes, height: int, width: int, shift: int) -> bytes:
    """The mask some pixels to the right, and down by half of that."""
    pixels = np.zeros((height, width), dtype=bool)
    down = shift // 2
    pixels[down:, shift:] = decode(mask, height, width)[: height - down, : width - shift]
    return encode(pixels)


def label_row(record: Record, source: str = "weak") -> dict[str, Any]:
    """The row of one image: every object pointed at, by a point on its true mask."""
    size = record.height, record.width
    shifts = [obj.annotation_id % 7 for obj in record.objects]
    rough: list[bytes | None] = []
    refined: list[bytes | None] = []
    for obj, shift in zip(record.objects, shifts, strict=True):
        assert obj.mask is not None
        is_empty = obj.annotation_id % MISSING == 0
        rough.append(None if is_empty else moved(obj.mask, *size, 1 + shift))
        refined.append(None if is_empty else moved(obj.mask, *size, shift // 2))
    points = [obj.point for obj in record.objects if obj.point is not None]
    both = list(zip(rough, refined, strict=True))
    areas = [0 if mask is None else area(mask, *size) for mask in refined]
    inside = [
        mask is not None and contains(mask, *size, point)
        for mask, point in zip(refined, points, strict=True)
    ]
    return failed_row(record, None, source) | {
        "annotation_id": [obj.annotation_id for obj in record.objects],
        "label": [obj.label for obj in record.objects],
        "x": [x for x, _ in points],
        "y": [y for _, y in points],
        "rough": rough,
        "refined": refined,
        "level": [-1 if mask is None else i % 4 for i, mask in enumerate(refined)],
        "class_score": [0.9 - 0.1 * shift for shift in shifts],
        "maskness": [0.8] * len(shifts),
        "refined_score": [min(0.95, 0.6 + 0.05 * i) for i in range(len(shifts))],
        "level_margin": [0.7 - 0.1 * shift for shift in shifts],
        "agreement": [0.0 if a is None or b is None else iou(a, b, *size) for a, b in both],
        "point_inside": inside,
        "area": areas,
        "flags": find_flags(refined, areas, inside, size),
    }


def failed_row(record: Record, error: str | None, source: str = "weak") -> dict[str, Any]:
    """The row of an image that could not be read: it has no lists."""
    return {
        "source": source,
        "image_id": record.image_id,
        "key": record.image_id,
        "file": record.file,
        "width": record.width,
        "height": record.height,
        "stage": None if error is None else "read",
        "error": error,
        "hash": 0,
    }


def write_rows(rows: list[dict[str, Any]], file: UPath) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows, schema=with_common(PointLabeller.schema)), str(file))
