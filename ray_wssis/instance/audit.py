"""The audit: how far pseudo masks can be trusted, and which a person should look at first.

Audit images were labelled by the very same path as the weak ones, and their true masks are known.
They calibrate the `expected_iou` of every pseudo mask.  For the weak images, whose truth nobody
knows, flags are counted and the worst masks are listed.
"""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray
from upath import UPath

from ray_wssis.artifacts import Artifact, Workspace
from ray_wssis.data.coco.write import coco_annotations, coco_image
from ray_wssis.data.columns import count_labels
from ray_wssis.data.records import Category, Record, Records
from ray_wssis.instance.audit_figures import Audit, drift
from ray_wssis.instance.label_config import AuditConfig
from ray_wssis.instance.label_row import ROUGH
from ray_wssis.instance.quality import QualityModel, column_of, held_out, read_column
from ray_wssis.instance.review import Suspect, write_review
from ray_wssis.instance.split import AUDIT, TAUGHT, WEAK
from ray_wssis.metrics.calibration import calibration_error, chance_error, reliability_bins
from ray_wssis.run import ROWS, Run
from ray_wssis.storage import read_json, write_json
from ray_wssis.streaming.table import RowsById, each_row, pieces, read_rows

CALIBRATION = "calibration.json"  # a QualityModel
FIGURES = "audit.json"
REVIEW = "review.json"
REVIEW_PAGE = "review.html"
ROWS_AT_A_TIME = 1024
MOST_DRIFT = 0.1  # share of the masks that may be of other classes than the points are

WORST = [  # all that is kept of a mask to find the worst ones
    ("expected_iou", np.float64),
    ("is_quiet", np.bool_),  # it has no flags, where nothing is expected
    ("kind", np.int64),  # the same number for the same class and flags
    ("score", np.float64),  # of the refiner
    ("point", np.int64),  # annotation id
    ("image_id", np.int64),
    ("item", np.int64),  # place in the lists of the row
]

Row = Mapping[str, Any]

logger = logging.getLogger(__name__)


def audit(
    run: Run, data: Artifact, labels: Artifact, signals: tuple[str, ...], config: AuditConfig
) -> Artifact:
    """Judge the labels: `calibration.json`, `audit.json` with all figures, and the worst masks of
    the weak images as `review.json`, a COCO file, and `review.html`.

    `signals` are the columns of the labels that tell how good a mask is.  Without audit images
    nothing is calibrated: no mask has an expected IoU, and the worst are those with flags and of
    low refined score.
    """
    made_from = {
        "split": {part: data.part(part) for part in (TAUGHT, AUDIT)},
        "labels": labels,
        "signals": signals,
        "audit": config,
    }
    return run.stage(
        "audit",
        "Judge the masks by images whose truth is known",
        made_from,
        lambda stage: judge(stage, data, labels, signals, config),
        follows_retry=True,
    )


def judge(
    stage: Workspace,
    data: Artifact,
    labels: Artifact,
    signals: tuple[str, ...],
    config: AuditConfig,
) -> None:
    taught = Records.read(data / TAUGHT)
    categories = taught.categories
    names = [category.name for category in categories]
    truth = {record.image_id: record for record in Records.read(data / AUDIT)}
    columns = dict.fromkeys(
        ["image_id", "annotation_id", "rough", "refined", "label", "area", *map(column_of, signals)]
    )
    rows = read_rows(labels / ROWS, list(columns), source=UPath(AUDIT).stem)
    model = QualityModel.fit(rows, truth, taught, signals)
    weak = WeakNumbers(model, config, len(categories))
    passing = each_row(labels / ROWS, weak.columns, source=UPath(WEAK).stem)
    for piece in pieces(passing, ROWS_AT_A_TIME):
        weak.add(piece)
    figures = {
        "audit": Audit.of(rows, truth).figures(names),
        "reliability": reliability(model, rows, truth),
        "weak": weak.figures(count_labels(taught)),
        "masks": model.masks,
    }
    suspects = weak.suspects(RowsById(labels / ROWS, UPath(WEAK).stem))
    write_json(stage / CALIBRATION, model.to_json() | {"threshold": config.threshold})
    write_json(stage / FIGURES, figures)
    write_json(stage / REVIEW, coco_file(suspects, categories))
    write_review(stage / REVIEW_PAGE, suspects, names, config.threshold)
    warn(figures)


def read_quality(made: Artifact) -> QualityModel:
    """Return the model that an audit calibrated."""
    return QualityModel.from_json(read_json(made / CALIBRATION))


def read_threshold(made: Artifact) -> float:
    """Return the expected IoU below which an audit counts a mask as poor."""
    return float(read_json(made / CALIBRATION)["threshold"])


def reliability(
    model: QualityModel, rows: Sequence[Row], truth: Mapping[int, Record]
) -> dict[str, Any] | None:
    """Measure the calibration of the expected IoU, by models that have not seen the image.

    None if that cannot be measured: masks of fewer than two audit images are known.
    """
    bins = reliability_bins(*held_out(model, rows, truth))
    if not bins:
        return None
    return {
        "expected_calibration_error": calibration_error(bins),
        "by_chance": chance_error(bins),  # what so few objects show if nothing is wrong
        "bins": [asdict(group) for group in bins],
    }


class WeakNumbers:
    """Counts over the weak images while their rows pass by, and the worst few masks."""

    def __init__(self, model: QualityModel, config: AuditConfig, num_classes: int) -> None:
        known = ("image_id", "annotation_id", "flags", "error", "refined_score")
        self.columns = tuple(dict.fromkeys([*known, *model.columns]))
        self.model = model
        self.config = config
        self.num_classes = num_classes
        self.num_images = self.num_failed = 0
        self.num_masks = self.num_judged = self.num_poor = self.num_surely_poor = 0
        self.expected_sum = 0.0
        self.slope_sum: Any = 0.0  # (1 + F,), of the expectations
        self.flags: Counter[str] = Counter()
        self.points = np.zeros(num_classes, np.int64)  # by class
        self.kept = np.zeros(num_classes, np.int64)  # masks at or above the threshold, by class
        self.kinds: dict[tuple[int | str, ...], int] = {}  # of masks -> number
        self.worst = np.zeros(0, WORST)

    def add(self, rows: Sequence[Row]) -> None:
        """Count further rows."""
        expected = self.model.expected_ious(rows)
        labels = read_column(rows, "label", np.int64)
        has_mask = read_column(rows, "area") > 0
        poor = expected < self.config.threshold  # NaN, nothing expected, is not poor
        self.num_images += len(rows)
        self.num_failed += sum(row["error"] is not None for row in rows)
        self.num_masks += int(has_mask.sum())
        self.num_judged += int(np.isfinite(expected).sum())
        self.num_poor += int(poor.sum())
        self.num_surely_poor += int((self.model.highest_ious(rows) < self.config.threshold).sum())
        if self.model.regression is not None:
            self.slope_sum += self.model.regression.slopes(self.model.read(rows)[has_mask]).sum(0)
        self.expected_sum += float(np.nansum(expected))
        flags = list(chain.from_iterable(row["flags"] or () for row in rows))
        self.flags.update(chain.from_iterable(own or () for own in flags))
        self.points += np.bincount(labels, minlength=self.num_classes)
        self.kept += np.bincount(labels[has_mask & ~poor], minlength=self.num_classes)
        lengths = [len(row["label"] or ()) for row in rows]
        candidates = np.zeros(len(labels), WORST)
        candidates["expected_iou"] = np.nan_to_num(expected)
        candidates["is_quiet"] = [not own for own in flags] & np.isnan(expected)
        candidates["kind"] = [
            self.kinds.setdefault((label, *(own or ())), len(self.kinds))
            for label, own in zip(labels.tolist(), flags, strict=True)
        ]
        candidates["score"] = read_column(rows, "refined_score")
        candidates["point"] = read_column(rows, "annotation_id", np.int64)
        candidates["image_id"] = np.repeat([row["image_id"] for row in rows], lengths)
        candidates["item"] = np.concatenate([np.arange(length) for length in lengths])
        self.keep_worst(candidates[has_mask])

    def keep_worst(self, candidates: NDArray[Any]) -> None:
        """Sort by expected IoU as it is shown, lowest first; among equals, kinds take turns, each
        with the mask that the refiner is least sure of.  Where nothing is expected, flags decide.
        """
        merged = np.concatenate([self.worst, candidates])
        merged = merged[np.lexsort([merged["point"], merged["score"]])]
        shown = np.round(merged["expected_iou"], 2)
        groups = np.stack([shown, merged["is_quiet"], merged["kind"]])
        order = np.lexsort([count_earlier(groups), merged["is_quiet"], shown])
        self.worst = merged[order[: self.config.review]]

    def figures(self, strong: NDArray[np.int64]) -> dict[str, Any]:
        """Return all counts; `strong` are the true objects of each class."""
        moved = drift(self.points, self.kept)
        return {
            "num_images": self.num_images,
            "num_failed_images": self.num_failed,
            "num_points": int(self.points.sum()),
            "num_without_mask": int(self.points.sum()) - self.num_masks,
            "mean_expected_iou": ratio(self.expected_sum, self.num_judged),
            "mean_expected_iou_doubt": self.doubt(),  # half the 90 % interval
            "threshold": self.config.threshold,
            "share_below_threshold": ratio(100 * self.num_poor, self.num_judged),
            "share_surely_below": ratio(100 * self.num_surely_poor, self.num_judged),
            "flags": dict(sorted(self.flags.items())),
            "class_drift": moved,  # from the points to the masks that can be trusted
            "class_drift_flag": moved is not None and moved > MOST_DRIFT,
            "class_drift_from_strong": drift(strong, self.points),
        }

    def doubt(self) -> float | None:
        regression = self.model.regression
        if regression is None or regression.covariance is None or not self.num_judged:
            return None
        return round(regression.doubt_of_mean(self.slope_sum / self.num_judged), 6)

    def suspects(self, rows: RowsById) -> list[Suspect]:
        """Return the worst masks with all that is known about them, worst first."""
        found = []
        for image_id, item in self.worst[["image_id", "item"]].tolist():
            row = rows.get(image_id)
            assert row is not None, f"image {image_id} is gone from the labels"
            expected = self.model.expected_iou(row)[item]
            masks = self.model.masks
            found.append(Suspect(row=row, item=item, expected_iou=expected, masks=masks))
        return found


def count_earlier(groups: NDArray[Any]) -> NDArray[np.int64]:
    """Count, for each column of `groups` [K, N], the equal columns before it."""
    _, group = np.unique(groups, axis=1, return_inverse=True)
    group = group.ravel()
    order = np.argsort(group, kind="stable")
    sizes = np.bincount(group)
    earlier = np.zeros(len(group), np.int64)
    earlier[order] = np.arange(len(group)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return earlier


def coco_file(suspects: Sequence[Suspect], categories: Sequence[Category]) -> dict[str, Any]:
    """Compose a COCO file of the worst masks: to be corrected in a tool and handed back."""
    images: dict[int, dict[str, Any]] = {}
    annotations: list[dict[str, Any]] = []
    for rank, suspect in enumerate(suspects, start=1):
        record = suspect.record()
        images[record.image_id] = coco_image(record, categories)
        (annotation,) = coco_annotations(record, categories)
        expected = suspect.expected_iou
        rounded = None if expected is None else round(expected, 4)
        judged = {"expected_iou": rounded, "flags": suspect.flags, "rank": rank}
        annotations.append(annotation | judged)
    return {
        "info": {"description": "pseudo masks to look at, the worst first; rank 1 is the worst"},
        "images": list(images.values()),
        "annotations": annotations,
        "categories": [asdict(category) for category in categories],
    }


def ratio(part: float, whole: int) -> float | None:
    """Divide and round: a sum depends a little on the order in which the rows came."""
    return round(part / whole, 6) if whole else None


def warn(figures: Mapping[str, Any]) -> None:
    """Log the figures that call for attention."""
    if not figures["audit"]["num_objects"]:
        logger.warning("audit: there are no audit images, so no mask has an expected IoU")
    if figures["masks"] == ROUGH:
        logger.warning(
            "audit: refined masks are worse than the rough ones they were made from (mIoU %.1f "
            "against %.1f), so the rough ones are used. Train the refiner for more steps, or on "
            "more rough masks (teacher.training.early)",
            figures["audit"]["mIoU"],
            figures["audit"]["rough_mIoU"],
        )
    if figures["weak"]["class_drift_flag"]:
        logger.warning(
            "audit: class drift %.2f: the masks that can be trusted are of other classes than the "
            "points; look at the figures by class",
            figures["weak"]["class_drift"],
        )
