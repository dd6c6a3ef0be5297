"""How far the pseudo masks can be trusted, and which of them a person should look at first.

The pictures of the audit were labelled by the very same path as the weak ones, and their true
masks are known.  They calibrate the `expected_iou` of every pseudo mask.  Of the weak pictures,
whose truth nobody knows, alarms are counted and the worst masks are listed.
"""

import logging
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray
from upath import UPath

from ray_wssis.artifacts import Artifact, open_stage
from ray_wssis.data.coco import coco_annotations, coco_image
from ray_wssis.data.records import Category, Record, Records
from ray_wssis.instance.audit_figures import Audit, drift
from ray_wssis.instance.label import ROWS
from ray_wssis.instance.quality import (
    COLUMNS,
    QualityConfig,
    QualityModel,
    held_out,
    read_column,
)
from ray_wssis.instance.review import Suspect, write_review
from ray_wssis.instance.split import AUDIT, TAUGHT, WEAK
from ray_wssis.metrics.calibration import calibration_error, chance_error, reliability_bins
from ray_wssis.storage import read_json, write_json
from ray_wssis.streaming.table import RowsById, each_row, pieces, read_rows

CALIBRATION = "calibration.json"  # a QualityModel
FIGURES = "audit.json"
REVIEW = "review.json"
REVIEW_PAGE = "review.html"
ROWS_AT_A_TIME = 1024
MOST_DRIFT = 0.1  # share of the masks that may be of other classes than the points are

WORST = [  # what is kept of a mask to find the worst ones; they are sorted by the first four
    ("expected_iou", np.float64),
    ("is_quiet", np.bool_),  # there is no alarm
    ("score", np.float64),  # of the refiner
    ("point", np.int64),  # annotation id
    ("image_id", np.int64),
    ("item", np.int64),  # place in the lists of the row
]

Row = Mapping[str, Any]

logger = logging.getLogger(__name__)


def audit(
    data: Artifact, labels: Artifact, config: QualityConfig, folder: UPath, *, redo: bool
) -> Artifact:
    """`calibration.json`, `audit.json` with all figures, and the worst masks of the weak pictures
    as `review.json`, a COCO file, and `review.html`.

    Without audit pictures nothing is calibrated: no mask has an expected IoU, and the worst are
    those with alarms and of low refined score.
    """
    made_from = {
        "split": {part: data.hash_of(part) for part in (TAUGHT, AUDIT)},
        "labels": labels,
        "quality": {"threshold": config.threshold, "review": config.review},
    }
    stage = open_stage(folder, made_from, redo=redo)
    if isinstance(stage, Artifact):
        return stage
    taught = Records.read(data / TAUGHT)
    categories = taught.categories
    truth = {record.image_id: record for record in Records.read(data / AUDIT)}
    columns = ["image_id", "annotation_id", "rough", "refined", *COLUMNS]
    rows = read_rows(labels / ROWS, columns, pictures=UPath(AUDIT).stem)
    model = QualityModel.fit(rows, truth, taught)
    weak = WeakNumbers(model, config, len(categories))
    passing = each_row(labels / ROWS, WeakNumbers.COLUMNS, pictures=UPath(WEAK).stem)
    for some in pieces(passing, ROWS_AT_A_TIME):
        weak.add(some)
    figures = {
        "audit": Audit.of(rows, truth).figures([category.name for category in categories]),
        "reliability": reliability(rows, truth, model),
        "weak": weak.figures(class_counts(taught, len(categories))),
    }
    suspects = weak.suspects(RowsById(labels / ROWS, UPath(WEAK).stem))
    write_json(stage / CALIBRATION, model.to_json())
    write_json(stage / FIGURES, figures)
    write_json(stage / REVIEW, coco_file(suspects, categories))
    write_review(stage / REVIEW_PAGE, suspects, [category.name for category in categories])
    warn(figures)
    return stage.finish()


def read_quality(made: Artifact) -> QualityModel:
    """The model that an audit calibrated."""
    return QualityModel.from_json(read_json(made / CALIBRATION))


def reliability(
    rows: Sequence[Row], truth: Mapping[int, Record], model: QualityModel
) -> dict[str, Any] | None:
    """Calibration of the expected IoU, by models that have not seen the picture they judge.

    None when that cannot be measured: masks of fewer than two audit pictures are known.
    """
    bins = reliability_bins(*held_out(rows, truth, model.prior))
    if not bins:
        return None
    return {
        "expected_calibration_error": calibration_error(bins),
        "by_chance": chance_error(bins),  # what so few objects show though nothing is wrong
        "bins": [asdict(each) for each in bins],
    }


class WeakNumbers:
    """What is counted of the weak pictures while their rows pass by, and the worst few masks."""

    COLUMNS = ("image_id", "annotation_id", "alarms", "error", *COLUMNS)

    def __init__(self, model: QualityModel, config: QualityConfig, num_classes: int) -> None:
        self.model = model
        self.config = config
        self.num_classes = num_classes
        self.num_pictures = self.num_failed = 0
        self.num_masks = self.num_judged = self.num_poor = 0
        self.expected_sum = 0.0
        self.alarms: Counter[str] = Counter()
        self.points = np.zeros(num_classes, np.int64)  # by class
        self.kept = np.zeros(num_classes, np.int64)  # masks at or above the threshold, by class
        self.worst = np.zeros(0, WORST)

    def add(self, rows: Sequence[Row]) -> None:
        """Count some more rows."""
        expected = self.model.expected_ious(rows)
        labels = read_column(rows, "label", np.int64)
        has_mask = read_column(rows, "area") > 0
        poor = expected < self.config.threshold  # NaN, nothing expected, is not poor
        self.num_pictures += len(rows)
        self.num_failed += sum(row["error"] is not None for row in rows)
        self.num_masks += int(has_mask.sum())
        self.num_judged += int(np.isfinite(expected).sum())
        self.num_poor += int(poor.sum())
        self.expected_sum += float(np.nansum(expected))
        alarms = list(chain.from_iterable(row["alarms"] or () for row in rows))
        self.alarms.update(chain.from_iterable(each or () for each in alarms))
        self.points += np.bincount(labels, minlength=self.num_classes)
        self.kept += np.bincount(labels[has_mask & ~poor], minlength=self.num_classes)
        lengths = [len(row["label"] or ()) for row in rows]
        candidates = np.zeros(len(labels), WORST)
        candidates["expected_iou"] = np.nan_to_num(expected)
        candidates["is_quiet"] = [not each for each in alarms]
        candidates["score"] = read_column(rows, "refined_score")
        candidates["point"] = read_column(rows, "annotation_id", np.int64)
        candidates["image_id"] = np.repeat([row["image_id"] for row in rows], lengths)
        candidates["item"] = np.concatenate([np.arange(length) for length in lengths])
        self.keep_worst(candidates[has_mask])

    def keep_worst(self, candidates: NDArray[Any]) -> None:
        """Lowest expected IoU first; among equals those with alarms, then the less sure ones."""
        both = np.concatenate([self.worst, candidates])
        order = np.lexsort([both[name] for name in ("point", "score", "is_quiet", "expected_iou")])
        self.worst = both[order[: self.config.review]]

    def figures(self, strong: NDArray[np.int64]) -> dict[str, Any]:
        """`strong` are the true objects of each class."""
        moved = drift(self.points, self.kept)
        poor = ratio(self.num_poor, self.num_judged)
        return {
            "num_pictures": self.num_pictures,
            "num_failed_pictures": self.num_failed,
            "num_points": int(self.points.sum()),
            "num_without_mask": int(self.points.sum()) - self.num_masks,
            "mean_expected_iou": ratio(self.expected_sum, self.num_judged),
            "threshold": self.config.threshold,
            "share_below_threshold": None if poor is None else 100 * poor,
            "alarms": dict(sorted(self.alarms.items())),
            "class_drift": moved,  # from the points to the masks that can be trusted
            "class_drift_alarm": moved is not None and moved > MOST_DRIFT,
            "class_drift_from_strong": drift(strong, self.points),
        }

    def suspects(self, rows: RowsById) -> list[Suspect]:
        """The worst masks with all that is known of them, worst first."""
        found = []
        for image_id, item in self.worst[["image_id", "item"]].tolist():
            row = rows.get(image_id)
            assert row is not None, f"picture {image_id} is gone from the labels"
            expected = self.model.expected_iou(row)[item]
            found.append(Suspect(row=row, item=item, expected_iou=expected))
        return found


def coco_file(suspects: Sequence[Suspect], categories: Sequence[Category]) -> dict[str, Any]:
    """A COCO file of the worst masks: to be mended in a tool, and handed back as corrections."""
    pictures: dict[int, dict[str, Any]] = {}
    annotations: list[dict[str, Any]] = []
    for rank, suspect in enumerate(suspects, start=1):
        record = suspect.record()
        pictures[record.image_id] = coco_image(record)
        (annotation,) = coco_annotations(record, categories)
        expected = suspect.expected_iou
        rounded = None if expected is None else round(expected, 4)
        judged = {"expected_iou": rounded, "alarms": suspect.alarms, "rank": rank}
        annotations.append(annotation | judged)
    return {
        "info": {"description": "pseudo masks to look at, the worst first; rank 1 is the worst"},
        "images": list(pictures.values()),
        "annotations": annotations,
        "categories": [asdict(category) for category in categories],
    }


def class_counts(records: Iterable[Record], num_classes: int) -> NDArray[np.int64]:
    """Objects of each class, crowds left out."""
    counts = np.zeros(num_classes, np.int64)
    for record in records:
        labels = np.array([obj.label for obj in record.objects if not obj.crowd], np.int64)
        counts += np.bincount(labels, minlength=num_classes)
    return counts


def ratio(part: float, whole: int) -> float | None:
    """Rounded: a sum depends a little on the order in which the rows came."""
    return round(part / whole, 6) if whole else None


def warn(figures: Mapping[str, Any]) -> None:
    """The log says what is alarming."""
    if not figures["audit"]["num_objects"]:
        logger.warning("audit: no audit pictures, so no mask has an expected IoU")
    if figures["weak"]["class_drift_alarm"]:
        logger.warning(
            "audit: class drift %.2f: the masks that can be trusted are of other classes than the "
            "points are; look at the figures by class",
            figures["weak"]["class_drift"],
        )
