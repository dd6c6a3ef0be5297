"""Masks as X-AnyLabeling draws them: polygons, several for an object in parts."""

from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np

from ray_wssis.masks import bounding_box
from wssis_serve.http.answers import masks_of, outlines
from wssis_serve.segmented import Mapped, Segmented

UNNAMED = "AUTOLABEL_OBJECT"  # X-AnyLabeling asks the person what it is


def found_shapes(found: Segmented | Mapped, tolerance: float) -> list[dict[str, Any]]:
    """All objects, or the classes of a class map, with their names."""
    size = found.image.height, found.image.width
    return [
        shape
        for group, (label, score, mask) in enumerate(masks_of(found), 1)
        for shape in outlined(
            mask, size, found.categories[label].name, score, tolerance, group=group
        )
    ]


def outlined(
    mask: bytes,
    size: tuple[int, int],
    name: str,
    score: float,
    tolerance: float,
    *,
    group: int = 1,
    description: str | None = None,
) -> Iterator[dict[str, Any]]:
    """Yield a polygon for each part of a mask; only those of several parts have the `group`.

    `size` is (height, width).  An outline may be off by `tolerance` times its length.
    """
    parts = outlines(mask, bounding_box(mask, *size), size[0])
    for part in parts:
        yield {
            "label": name,
            "shape_type": "polygon",
            "points": simplified(part, tolerance),
            "score": round(score, 4),
            "group_id": group if len(parts) > 1 else None,
            "description": description,
        }


def simplified(outline: list[float], tolerance: float) -> list[list[float]]:
    """The corners (x, y) of an outline x, y, x, y, ... that are needed; at least three."""
    corners = np.array(outline, np.float32).reshape(-1, 1, 2)
    fewer = cv2.approxPolyDP(corners, tolerance * cv2.arcLength(corners, closed=True), closed=True)
    kept = corners if len(fewer) < 3 else fewer
    found: list[list[float]] = kept[:, 0].tolist()
    return found
