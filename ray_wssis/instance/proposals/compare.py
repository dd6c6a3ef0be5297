"""Proposals beside the truth: which are right, and what a student would learn wrongly from them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ray_wssis.data.annotated import is_ignored
from ray_wssis.data.records import Record
from ray_wssis.instance.label_row import REFINED
from ray_wssis.instance.proposals.choice import Choice
from ray_wssis.masks import pairwise_iou
from ray_wssis.metrics.coco_ap import Prediction
from ray_wssis.metrics.confusion import matches

SAME_PLACE_IOU = 0.3  # whether the class is right is asked apart from whether the mask is good
INVENTED = -1  # in place of the annotation id of an object

Row = Mapping[str, Any]


def taken(row: Row, truth: Record, masks: str = REFINED) -> dict[int, tuple[int, float]]:
    """Return annotation id and IoU of the object that each proposal of a row takes, by its place.

    Each takes one of its own class, the surest first; an invented one has INVENTED and 0.  Those
    in ignore regions are left out.
    """
    drawn = [i for i, mask in enumerate(row[masks] or ()) if mask is not None]
    found: dict[int, tuple[int, float]] = {}
    for label in sorted({row["label"][i] for i in drawn}):
        own = [i for i in drawn if row["label"][i] == label]
        alike = tuple(obj for obj in truth.objects if obj.label == label or obj.crowd)
        prediction = Prediction(
            image_id=truth.image_id,
            labels=[label] * len(own),
            scores=[row["class_score"][i] for i in own],
            masks=[row[masks][i] for i in own],
        )
        for place, obj, iou in matches(replace(truth, objects=alike), prediction, SAME_PLACE_IOU):
            found[own[place]] = (INVENTED if obj is None else obj.annotation_id, iou)
    return found


def claiming(row: Row, truth: Record) -> dict[str, Any]:
    """Give each proposal of a row the annotation id of the object that it takes."""
    claims = taken(row, truth)
    numbers = [claims.get(i, (INVENTED, 0.0))[0] for i in range(len(row["label"] or ()))]
    return {**row, "annotation_id": numbers}


def judged(rows: Sequence[Row], truth: Mapping[int, Record]) -> NDArray[np.float64]:
    """Return label, class score and whether it is right of each proposal that counts: (N, 3)."""
    lines = [
        (row["label"][i], row["class_score"][i], number != INVENTED)
        for row in rows
        for i, (number, _) in taken(row, truth[row["image_id"]]).items()
    ]
    return np.array(lines, dtype=np.float64).reshape(-1, 3)


def outcome(rows: Iterable[Row], truth: Mapping[int, Record], choice: Choice) -> dict[str, Any]:
    """Count what a student would learn from these images, whose truth is known.

    `right` and `wrong` are proposals, `ignored` and `missed` objects that are not learnt: missed
    ones would be background.  `mIoU`, in percent, is that of the right ones.
    """
    counts = dict.fromkeys(("images", "objects", "right", "wrong", "ignored", "missed"), 0)
    ious: list[float] = []
    for row in rows:
        record = truth[row["image_id"]]
        learnt, ignored = choice.decide([row])
        claims = taken(row, record, choice.model.masks)
        own = [claims[i] for i in np.flatnonzero(learnt).tolist() if i in claims]
        right = {number for number, _ in own if number != INVENTED}
        left = [
            obj.mask
            for obj in record.objects
            if obj.mask is not None
            and not is_ignored(record, obj)
            and obj.annotation_id not in right
        ]
        regions = [row[choice.model.masks][i] for i in np.flatnonzero(ignored).tolist()]
        overlaps = pairwise_iou(left, regions, record.height, record.width)
        hidden = int((overlaps.max(axis=1) >= SAME_PLACE_IOU).sum()) if left and regions else 0
        counts["images"] += 1
        counts["objects"] += len(left) + len(right)
        counts["right"] += len(right)
        counts["wrong"] += len(own) - len(right)
        counts["ignored"] += hidden
        counts["missed"] += len(left) - hidden
        ious += [iou for number, iou in own if number != INVENTED]
    return {f"num_{name}": number for name, number in counts.items()} | {
        "mIoU": 100 * sum(ious) / len(ious) if ious else None
    }
