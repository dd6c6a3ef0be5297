"""A row of labels: what is known about the points of one image.

A labeller adds columns of its own to `SCHEMA`.  Its networks draw in actors; `complete` runs in
CPU processes that import no torch.
"""

from itertools import combinations
from typing import Any

import pyarrow as pa

from ray_wssis.data.records import Record
from ray_wssis.masks import area, contains, iou, pairwise_iou

ROUGH, REFINED = "rough", "refined"  # columns of masks
DUPLICATE = "duplicate"  # a flag
WHOLE_IMAGE = 0.95  # share of the image that no object covers
DUPLICATE_IOU = 0.8  # of two masks of one image

SCHEMA = pa.schema(
    [
        ("image_id", pa.int64()),
        ("file", pa.string()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("annotation_id", pa.list_(pa.int64())),
        ("label", pa.list_(pa.int32())),
        ("x", pa.list_(pa.float64())),  # original pixels
        ("y", pa.list_(pa.float64())),
        ("rough", pa.list_(pa.binary())),  # run-length counts before refining; null: no mask
        ("refined", pa.list_(pa.binary())),  # the final masks
        ("refined_score", pa.list_(pa.float32())),  # the labeller's own confidence in them
        ("agreement", pa.list_(pa.float32())),  # IoU of the rough and the refined mask
        ("point_inside", pa.list_(pa.bool_())),  # the refined mask
        ("area", pa.list_(pa.int32())),  # of the refined mask; pixels
        ("flags", pa.list_(pa.list_(pa.string()))),
    ]
)


def begin_row(record: Record) -> dict[str, Any]:
    """Return what is known of an image and its points before anything is drawn; objects that nobody
    pointed at are left out."""
    pointed = [(obj, obj.point) for obj in record.objects if obj.point is not None]
    return {
        "image_id": record.image_id,
        "file": record.file,
        "width": record.width,
        "height": record.height,
        "annotation_id": [obj.annotation_id for obj, _ in pointed],
        "label": [obj.label for obj, _ in pointed],
        "x": [x for _, (x, _) in pointed],
        "y": [y for _, (_, y) in pointed],
    }


def complete(row: dict[str, Any]) -> dict[str, Any]:
    """Add agreement, point_inside, area and flags to a row with rough and refined masks."""
    size = row["height"], row["width"]
    refined: list[bytes | None] = row["refined"]
    points = list(zip(row["x"], row["y"], strict=True))
    pairs = list(zip(row["rough"], refined, strict=True))
    areas = [0 if mask is None else area(mask, *size) for mask in refined]
    inside = [
        mask is not None and contains(mask, *size, point)
        for mask, point in zip(refined, points, strict=True)
    ]
    return row | {
        "agreement": [0.0 if a is None or b is None else iou(a, b, *size) for a, b in pairs],
        "point_inside": inside,
        "area": areas,
        "flags": find_flags(refined, areas, inside, size),
    }


def find_flags(
    masks: list[bytes | None], areas: list[int], inside: list[bool], size: tuple[int, int]
) -> list[list[str]]:
    """Return the doubts about each mask."""
    flags: list[list[str]] = [[] for _ in masks]
    twins = duplicates(masks, size)
    for i, (mask, pixels, is_inside) in enumerate(zip(masks, areas, inside, strict=True)):
        if mask is None:
            flags[i].append("empty")
            continue
        if pixels > WHOLE_IMAGE * size[0] * size[1]:
            flags[i].append("whole image")
        if i in twins:
            flags[i].append(DUPLICATE)
        if not is_inside:
            flags[i].append("point outside")
    return flags


def duplicates(masks: list[bytes | None], size: tuple[int, int]) -> set[int]:
    """Return the places of the masks that are nearly the same as another one."""
    places = [i for i, mask in enumerate(masks) if mask is not None]
    drawn = [mask for mask in masks if mask is not None]
    overlaps = pairwise_iou(drawn, drawn, *size)
    pairs = combinations(range(len(places)), 2)
    return {places[k] for pair in pairs if overlaps[pair] > DUPLICATE_IOU for k in pair}
