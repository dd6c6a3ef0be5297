"""A row of labels: what is known about the points of one image.

A labeller adds columns of its own to `SCHEMA`.  Its networks draw in actors; `complete` runs in
CPU processes that import no torch.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from ray_wssis.data.records import Record
from ray_wssis.instance.tidy import tidied
from ray_wssis.instance.tidy_config import AS_DRAWN, TidyConfig
from ray_wssis.masks import area, contains, iou, pairwise_iou

ROUGH, REFINED = "rough", "refined"  # columns of masks
DUPLICATE, NESTED = "duplicate", "nested"  # flags
WHOLE_IMAGE = 0.95  # share of the image that no object covers
DUPLICATE_IOU = 0.8  # of two masks of one image
NESTED_SHARE = 0.9  # of the smaller of two masks

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


def complete(row: dict[str, Any], tidy: TidyConfig = AS_DRAWN) -> dict[str, Any]:
    """Add agreement, point_inside, area and flags to a row with rough and refined masks.

    Masks are made tidy where that is wanted; agreement, and flags of masks that are too alike, are
    of those that were drawn.
    """
    size = row["height"], row["width"]
    pairs = list(zip(row["rough"], row["refined"], strict=True))
    agreement = [0.0 if a is None or b is None else iou(a, b, *size) for a, b in pairs]
    alike = find_alike(row["refined"], areas_of(row["refined"], size), row.get("label"), size)
    if tidy.changes:
        row = row | {name: tidied(row[name], tidy, *size) for name in (ROUGH, REFINED)}
    refined: list[bytes | None] = row["refined"]
    points = list(zip(row["x"], row["y"], strict=True))
    areas = areas_of(refined, size)
    inside = [
        mask is not None and contains(mask, *size, point)
        for mask, point in zip(refined, points, strict=True)
    ]
    return row | {
        "agreement": agreement,
        "point_inside": inside,
        "area": areas,
        "flags": find_flags(refined, areas, inside, size, alike),
    }


def areas_of(drawn: Sequence[bytes | None], size: tuple[int, int]) -> list[int]:
    return [0 if mask is None else area(mask, *size) for mask in drawn]


def find_flags(
    masks: Sequence[bytes | None],
    areas: Sequence[int],
    inside: Sequence[bool],
    size: tuple[int, int],
    alike: Mapping[int, str] | None = None,
) -> list[list[str]]:
    """Return the doubts about each mask; `alike` are those about masks that resemble others, by
    place, and are looked for if they are not given."""
    flags: list[list[str]] = [[] for _ in masks]
    alike = find_alike(masks, areas, None, size) if alike is None else alike
    for i, (mask, pixels, is_inside) in enumerate(zip(masks, areas, inside, strict=True)):
        if mask is None:
            flags[i].append("empty")
            continue
        if pixels > WHOLE_IMAGE * size[0] * size[1]:
            flags[i].append("whole image")
        if i in alike:
            flags[i].append(alike[i])
        if not is_inside:
            flags[i].append("point outside")
    return flags


def find_alike(
    masks: Sequence[bytes | None],
    areas: Sequence[int],
    labels: Sequence[int] | None,
    size: tuple[int, int],
) -> dict[int, str]:
    """Return, by place, the masks that are nearly the same as another one, as duplicates, and those
    that lie in another one of their class, as nested."""
    places = [i for i, mask in enumerate(masks) if mask is not None]
    drawn = [mask for mask in masks if mask is not None]
    overlaps = pairwise_iou(drawn, drawn, *size)
    found: dict[int, str] = {}
    for a, b in zip(*np.nonzero(np.triu(overlaps, 1)), strict=True):
        first, second, value = places[a], places[b], float(overlaps[a, b])
        shared = value / (1 + value) * (areas[first] + areas[second])  # pixels
        smaller = min(first, second, key=lambda place: areas[place])
        if value > DUPLICATE_IOU:
            found |= {first: DUPLICATE, second: DUPLICATE}
        elif labels is not None and labels[first] != labels[second]:
            continue  # as a tie on its wearer
        elif max(areas[first], areas[second]) > WHOLE_IMAGE * size[0] * size[1]:
            continue  # which is a flag of its own
        elif shared > NESTED_SHARE * areas[smaller]:
            found.setdefault(smaller, NESTED)
    return found
