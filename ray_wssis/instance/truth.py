"""Intersection over union (IoU) of pseudo masks with the true masks of their objects.

Crowds are no objects, nor are objects that nobody looked at: a mask that was drawn for one is
compared with nothing.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from ray_wssis.data.annotated import is_ignored
from ray_wssis.data.records import Record
from ray_wssis.masks import iou

Ious = Mapping[int, float | None]  # by annotation id, of objects with a true mask; None: no mask


def true_masks(truth: Record) -> dict[int, bytes]:
    """Known masks of the objects of one image, by annotation id."""
    return {
        obj.annotation_id: obj.mask
        for obj in truth.objects
        if obj.mask is not None and not is_ignored(truth, obj)
    }


def compare(drawn: Mapping[int, bytes | None], truth: Record) -> Ious:
    """IoU of every true mask with the one `drawn` for the same annotation id, if there is one."""
    ious: dict[int, float | None] = {}
    for annotation, true_mask in true_masks(truth).items():
        mask = drawn.get(annotation)
        found = None if mask is None else iou(mask, true_mask, truth.height, truth.width)
        ious[annotation] = found
    return ious


def compare_row(row: Mapping[str, Any], column: str, truth: Record | None) -> Ious:
    """IoU of the masks in a column of a row of labels; empty where the truth is not known."""
    if truth is None:
        return {}
    annotations, masks = row.get("annotation_id") or [], row.get(column) or []
    return compare(dict(zip(annotations, masks, strict=True)), truth)


def iou_or_nan(ious: Ious, annotation: int) -> float:
    """IoU as a number: 0 without a mask, NaN where the truth is not known."""
    return (ious[annotation] or 0.0) if annotation in ious else np.nan
