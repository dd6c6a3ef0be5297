"""Masks as clients want them: run lengths, polygons, small pictures, or a COCO file.

A mask is unwrapped only within its box, so an answer with hundreds of them needs little memory.
"""

import base64
import io
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ray_wssis.data.coco_writer import coco_mask
from ray_wssis.data.records import Category
from ray_wssis.masks import area, bounding_box, run_lengths
from wssis_serve.backend import Instance, Segmented
from wssis_serve.http.schemas import (
    ImageOut,
    InstanceOut,
    MaskFormat,
    ModelNameOut,
    PointInstanceOut,
    PointsOut,
    Rle,
    SegmentOut,
)


def segment_answer(found: Segmented, wanted: MaskFormat) -> SegmentOut:
    return SegmentOut(
        model=ModelNameOut(**vars(found.model)),
        image=ImageOut(**vars(found.image)),
        instances=[InstanceOut(**instance_fields(found, each, wanted)) for each in found.instances],
    )


def points_answer(drawn: Segmented, wanted: MaskFormat) -> PointsOut:
    return PointsOut(
        model=ModelNameOut(**vars(drawn.model)),
        image=ImageOut(**vars(drawn.image)),
        instances=[
            PointInstanceOut(
                **instance_fields(drawn, each, wanted),
                point=each.point,
                expected_iou=None if each.expected_iou is None else round(each.expected_iou, 4),
                alarms=each.alarms,
            )
            for each in drawn.instances
            if each.point is not None
        ],
    )


def coco_answer(found: Segmented, file_name: str) -> dict[str, Any]:
    """A COCO file of this one picture."""
    info = found.image
    picture = {"id": 1, "file_name": file_name, "width": info.width, "height": info.height}
    annotations = [
        {
            "id": number,
            "image_id": 1,
            "category_id": found.categories[each.label].id,
            "iscrowd": 0,
            "score": round(each.score, 4),
            **coco_mask(each.mask, info.height, info.width),
        }
        for number, each in enumerate(found.instances, start=1)
        if each.mask is not None
    ]
    return {
        "info": {"description": "found by ray-wssis", "model": vars(found.model)},
        "images": [picture],
        "annotations": annotations,
        "categories": [class_entry(category) for category in found.categories],
    }


def class_entry(category: Category) -> dict[str, Any]:
    return {"id": category.id, "name": category.name}


def instance_fields(found: Segmented, instance: Instance, wanted: MaskFormat) -> dict[str, Any]:
    category = found.categories[instance.label]
    fields: dict[str, Any] = {
        "category_id": category.id,
        "class": category.name,
        "score": round(instance.score, 4),
        "bbox": None,
        "area": 0,
    }
    if instance.mask is None:
        return fields
    size = found.image.height, found.image.width
    box = bounding_box(instance.mask, *size)
    fields |= {
        "bbox": (box[0], box[1], box[2] - box[0], box[3] - box[1]),
        "area": area(instance.mask, *size),
    }
    match wanted:
        case MaskFormat.RLE:
            fields["rle"] = Rle(size=size, counts=instance.mask.decode("ascii"))
        case MaskFormat.POLYGON:
            fields["polygons"] = outlines(instance.mask, box, size[0])
        case MaskFormat.PNG:
            fields["png"] = base64.b64encode(png(instance.mask, box, size[0])).decode("ascii")
    return fields


def in_box(mask: bytes, box: tuple[int, int, int, int], height: int) -> NDArray[np.uint8]:
    """[y1 - y0, x1 - x0] of the mask, 0 and 1.  Only the columns of the box are unwrapped."""
    x0, y0, x1, y1 = box
    runs = run_lengths(mask)
    runs = runs[: runs.size // 2 * 2]  # behind the last pixel of the object is nothing to unwrap
    runs[0] -= x0 * height
    columns = np.zeros((x1 - x0) * height, dtype=np.uint8)
    columns[: runs.sum()] = np.repeat((np.arange(runs.size) % 2).astype(np.uint8), runs)
    return columns.reshape(x1 - x0, height).T[y0:y1]


def outlines(mask: bytes, box: tuple[int, int, int, int], height: int) -> list[list[float]]:
    """x, y, x, y, ... around each part of the mask, in pixels of the picture; holes are lost.

    OpenCV goes through the centres of the outermost pixels.  With four pixels for each the way is
    a quarter of one from the edge, and what the polygon holds are the pixels of the mask.
    """
    double = in_box(mask, box, height).repeat(2, axis=0).repeat(2, axis=1)
    found, _ = cv2.findContours(double, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    corner = np.array(box[:2])
    return [((line[:, 0] + 0.5) / 2 + corner).ravel().tolist() for line in found if len(line) > 2]


def png(mask: bytes, box: tuple[int, int, int, int], height: int) -> bytes:
    """A picture of the box, one bit a pixel."""
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(in_box(mask, box, height)) * 255).convert("1").save(
        buffer, format="PNG"
    )
    return buffer.getvalue()
