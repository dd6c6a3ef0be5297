"""Masks in the format that a client wants: run lengths, polygons, small PNGs, or a COCO file.

A mask is decoded only within its box, so an answer with hundreds of them needs little memory.
"""

import base64
import io
from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ray_wssis.data.class_maps.png import decode
from ray_wssis.data.coco.write import coco_mask
from ray_wssis.data.records import Category
from ray_wssis.masks import area, bounding_box, encode, run_lengths
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
from wssis_serve.segmented import Instance, Mapped, Segmented


def segment_answer(found: Segmented, wanted: MaskFormat) -> SegmentOut:
    return SegmentOut(
        model=ModelNameOut(**vars(found.model)),
        image=ImageOut(**vars(found.image)),
        instances=[
            InstanceOut(**instance_fields(found, instance, wanted)) for instance in found.instances
        ],
    )


def points_answer(drawn: Segmented, wanted: MaskFormat) -> PointsOut:
    return PointsOut(
        model=ModelNameOut(**vars(drawn.model)),
        image=ImageOut(**vars(drawn.image)),
        instances=[
            PointInstanceOut(
                **instance_fields(drawn, instance, wanted),
                point=instance.point,
                expected_iou=rounded(instance.expected_iou),
                flags=instance.flags,
            )
            for instance in drawn.instances
            if instance.point is not None
        ],
    )


def coco_answer(found: Segmented, file_name: str) -> dict[str, Any]:
    """A COCO file of this one image."""
    info = found.image
    image = {"id": 1, "file_name": file_name, "width": info.width, "height": info.height}
    annotations = [
        {
            "id": number,
            "image_id": 1,
            "category_id": found.categories[instance.label].id,
            "iscrowd": 0,
            "score": round(instance.score, 4),
            **coco_mask(instance.mask, info.height, info.width),
        }
        for number, instance in enumerate(found.instances, start=1)
        if instance.mask is not None
    ]
    return {
        "info": {"description": "found by ray-wssis", "model": vars(found.model)},
        "images": [image],
        "annotations": annotations,
        "categories": [class_entry(category) for category in found.categories],
    }


def masks_of(answer: Segmented | Mapped) -> Iterator[tuple[int, float, bytes]]:
    """Yield label, score and mask of each instance that has one; of a class map, label, confidence
    and mask of each class."""
    if isinstance(answer, Mapped):
        labels = decode(answer.class_map)
        for shown in answer.shown:
            yield shown.label, shown.confidence, encode(labels == shown.label)
        return
    for instance in answer.instances:
        if instance.mask is not None:
            yield instance.label, instance.score, instance.mask


def rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


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
    """The mask within its box, [y1 - y0, x1 - x0], 0 and 1.  Only the box's columns are decoded."""
    x0, y0, x1, y1 = box
    runs = run_lengths(mask)
    runs = runs[: runs.size // 2 * 2]  # nothing to decode behind the last pixel of the object
    runs[0] -= x0 * height
    columns = np.zeros((x1 - x0) * height, dtype=np.uint8)
    columns[: runs.sum()] = np.repeat((np.arange(runs.size) % 2).astype(np.uint8), runs)
    return columns.reshape(x1 - x0, height).T[y0:y1]


def outlines(mask: bytes, box: tuple[int, int, int, int], height: int) -> list[list[float]]:
    """Outlines x, y, x, y, ... of each part of the mask, in pixels of the image; holes are lost.

    OpenCV's outline runs through the centres of the outermost pixels.  At twice the size it is a
    quarter of a pixel inside the edge, so the polygon holds exactly the pixel centres of the mask.
    """
    double = in_box(mask, box, height).repeat(2, axis=0).repeat(2, axis=1)
    found, _ = cv2.findContours(double, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    corner = np.array(box[:2])
    return [((line[:, 0] + 0.5) / 2 + corner).ravel().tolist() for line in found if len(line) > 2]


def png(mask: bytes, box: tuple[int, int, int, int], height: int) -> bytes:
    """A PNG of the box, one bit a pixel."""
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(in_box(mask, box, height)) * 255).convert("1").save(
        buffer, format="PNG"
    )
    return buffer.getvalue()
