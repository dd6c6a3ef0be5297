"""A row of labels: what is known about the points of one picture.

Masks are drawn by the networks (`stages.label`) and finished here, in processes of their own that
import no torch: pasted at the size of the picture, compared, and looked over for what is odd.
"""

from itertools import combinations
from typing import Any

import pyarrow as pa

from ray_wssis.masks import area, contains, iou, pairwise_iou
from ray_wssis.methods.point_wssis.refined_mask import mend

WHOLE_IMAGE = 0.95  # share of the picture that no object covers
DUPLICATE_IOU = 0.8  # of two masks of one picture

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
        ("rough", pa.list_(pa.binary())),  # run-length counts; null: no mask
        ("refined", pa.list_(pa.binary())),
        ("level", pa.list_(pa.int32())),  # -1: no mask
        ("class_score", pa.list_(pa.float32())),
        ("maskness", pa.list_(pa.float32())),
        ("refined_score", pa.list_(pa.float32())),
        ("level_margin", pa.list_(pa.float32())),
        ("agreement", pa.list_(pa.float32())),  # IoU of the rough and the refined mask
        ("point_inside", pa.list_(pa.bool_())),  # the refined mask
        ("area", pa.list_(pa.int32())),  # of the refined mask; pixels
        ("alarms", pa.list_(pa.list_(pa.string()))),
    ]
)


def finish_row(row: dict[str, Any]) -> dict[str, Any]:
    """The row with refined masks and all that follows from them.

    It comes with `answers`, one per point: what the refiner said, or None.
    """
    size = row["height"], row["width"]
    refined: list[bytes | None] = list(row["rough"])
    scores = list(row["maskness"])
    for i, (rough, answer) in enumerate(zip(row["rough"], row["answers"], strict=True)):
        if rough is not None and answer is not None:
            mended = mend(rough, answer, *size)
            refined[i], scores[i] = mended.mask, mended.score
    points = list(zip(row["x"], row["y"], strict=True))
    pairs = list(zip(row["rough"], refined, strict=True))
    areas = [0 if mask is None else area(mask, *size) for mask in refined]
    inside = [
        mask is not None and contains(mask, *size, point)
        for mask, point in zip(refined, points, strict=True)
    ]
    return row | {
        "refined": refined,
        "refined_score": scores,
        "agreement": [0.0 if a is None or b is None else iou(a, b, *size) for a, b in pairs],
        "point_inside": inside,
        "area": areas,
        "alarms": find_alarms(refined, areas, inside, size),
    }


def find_alarms(
    masks: list[bytes | None], areas: list[int], inside: list[bool], size: tuple[int, int]
) -> list[list[str]]:
    """What is odd about each mask."""
    alarms: list[list[str]] = [[] for _ in masks]
    twins = duplicates(masks, size)
    for i, (mask, pixels, is_inside) in enumerate(zip(masks, areas, inside, strict=True)):
        if mask is None:
            alarms[i].append("empty")
            continue
        if pixels > WHOLE_IMAGE * size[0] * size[1]:
            alarms[i].append("whole image")
        if i in twins:
            alarms[i].append("duplicate")
        if not is_inside:
            alarms[i].append("point outside")
    return alarms


def duplicates(masks: list[bytes | None], size: tuple[int, int]) -> set[int]:
    """Places of the masks that are nearly the same as another one."""
    drawn = [i for i, mask in enumerate(masks) if mask is not None]
    some = [mask for mask in masks if mask is not None]
    overlaps = pairwise_iou(some, some, *size)
    pairs = combinations(range(len(drawn)), 2)
    return {drawn[k] for pair in pairs if overlaps[pair] > DUPLICATE_IOU for k in pair}
