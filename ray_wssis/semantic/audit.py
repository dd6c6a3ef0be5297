"""The audit: how far pseudo labels can be trusted, and which a person should look at first.

Audit images were labelled by the very same path as the weak ones, and their class maps are known.
They calibrate, for every weak image, the share of its pixels that are expected to be right.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from upath import UPath

from ray_wssis.artifacts import Artifact, Workspace
from ray_wssis.data.records import Records
from ray_wssis.instance.signal_prior import prior_of
from ray_wssis.metrics.calibration import Regression, cross_validated
from ray_wssis.metrics.miou import Counts
from ray_wssis.run import ROWS, Run
from ray_wssis.semantic.label_config import AuditConfig
from ray_wssis.semantic.label_row import SIGNALS
from ray_wssis.semantic.split import AUDIT
from ray_wssis.semantic.to_label import to_label
from ray_wssis.semantic.truth import beside_truth
from ray_wssis.storage import write_json
from ray_wssis.streaming.table import each_row, pieces

FIGURES = "audit.json"
REVIEW = "review.json"
MEASURES = ("pixel_accuracy", "mIoU")
ROWS_AT_A_TIME = 1024

Row = Mapping[str, Any]
Floats = NDArray[np.float64]


def audit(run: Run, data: Artifact, labels: Artifact, config: AuditConfig) -> Artifact:
    """Judge the labels: `audit.json` with all figures, `review.json` with the worst weak images.

    Without audit images nothing is expected, and the worst are those of the lowest confidence.
    """
    made_from = {"audit_images": data.part(AUDIT), "labels": labels, "audit": config}
    return run.stage(
        "audit",
        "Judge the labels by images whose truth is known",
        made_from,
        lambda stage: judge(stage, data, labels, config),
        follows_retry=True,
    )


def judge(stage: Workspace, data: Artifact, labels: Artifact, config: AuditConfig) -> None:
    columns = ["image_id", *SIGNALS, "error"]
    rows = each_row(labels / ROWS, [*columns, "class_map"], source=UPath(AUDIT).stem)
    compared = Compared.of(rows, Records.read(data / AUDIT))
    weak = WeakLabels({name: compared.fit(name) for name in MEASURES}, config.review)
    source = UPath(to_label(data.folder)).stem
    rows = each_row(labels / ROWS, [*columns, "file", "flags"], source=source)
    for piece in pieces((row for row in rows if row["error"] is None), ROWS_AT_A_TIME):
        weak.add(piece)
    write_json(stage / FIGURES, figures(compared, weak))
    write_json(stage / REVIEW, {"images": weak.worst})


@dataclass(frozen=True)
class Compared:
    """Audit images, by id: their signals, and how good their class maps are."""

    ids: NDArray[np.int64]  # (N,)
    signals: Floats  # (N, F)
    measured: dict[str, Floats]  # (N,) 0..1, by `MEASURES`

    @classmethod
    def of(cls, rows: Iterable[Row], truth: Records) -> "Compared":
        """Compare the class maps of rows with the true ones."""
        found = []
        for row, true, drawn in beside_truth(rows, truth):
            figures = Counts.of(true, drawn, len(truth.categories)).figures()
            if np.isfinite(figures["mIoU"]):
                shares = [figures[name] / 100 for name in MEASURES]
                found.append((int(row["image_id"]), [*signals([row])[0], *shares]))
        found.sort()
        values = np.array([values for _, values in found])
        values = values.reshape(-1, len(SIGNALS) + len(MEASURES))
        return cls(
            ids=np.array([image_id for image_id, _ in found], np.int64),
            signals=values[:, : len(SIGNALS)],
            measured={name: values[:, len(SIGNALS) + i] for i, name in enumerate(MEASURES)},
        )

    def fit(self, name: str) -> Regression | None:
        if not len(self.ids):
            return None
        prior = prior_of(SIGNALS, self.signals)
        return Regression.fit(self.signals, self.measured[name], self.ids, prior)

    def error(self, name: str) -> float | None:
        """Return how far the others would have told each image's figure from what it is."""
        if not len(self.ids):
            return None
        prior = prior_of(SIGNALS, self.signals)
        told = cross_validated(self.signals, self.measured[name], self.ids, prior)
        return None if told is None else mean(np.abs(told - self.measured[name]))


class WeakLabels:
    """Expectations of the labels of the weak images, added up a few rows at a time; only the
    worst images stay."""

    def __init__(self, models: Mapping[str, Regression | None], most: int) -> None:
        self.models = models
        self.most = most
        self.number = 0
        self.sums = dict.fromkeys(models, 0.0)
        self.kept: list[tuple[float, int, dict[str, Any]]] = []  # (order, image id, as listed)

    def add(self, rows: Sequence[Row]) -> None:
        values = signals(rows)
        expected = {
            name: None if model is None else model.predict(values)
            for name, model in self.models.items()
        }
        self.number += len(rows)
        for name, told in expected.items():
            self.sums[name] += 0.0 if told is None else float(told.sum())
        judged = expected["pixel_accuracy"]
        order = [row["confidence_mean"] for row in rows] if judged is None else judged.tolist()
        for i, row in enumerate(rows):
            of_row = {name: None if told is None else told[i] for name, told in expected.items()}
            self.kept.append((order[i], row["image_id"], listed(row, of_row)))
        self.kept = sorted(self.kept, key=lambda kept: kept[:2])[: self.most]

    @property
    def worst(self) -> list[dict[str, Any]]:
        """The images that a person should look at first."""
        return [image for _, _, image in self.kept]

    def expected_mean(self, name: str) -> float | None:
        if self.models[name] is None or not self.number:
            return None
        return round(self.sums[name] / self.number, 6)


def listed(row: Row, expected: Mapping[str, float | None]) -> dict[str, Any]:
    """Compose the entry of an image in the review list."""
    image: dict[str, Any] = {name: row[name] for name in ("image_id", "file", "flags")}
    image["confidence_mean"] = round(float(row["confidence_mean"]), 4)
    for name, told in expected.items():
        image[f"expected_{name}"] = None if told is None else round(float(told), 4)
    return image


def signals(rows: Sequence[Row]) -> Floats:
    return np.array([[row[name] for name in SIGNALS] for row in rows], np.float64)


def figures(compared: Compared, weak: WeakLabels) -> dict[str, Any]:
    """Measure the audit images, and how well others of them would have told each one's figures."""
    found: dict[str, Any] = {"num_audit_images": len(compared.ids)}
    for name in MEASURES:
        found[name] = {
            "audit_mean": mean(compared.measured[name]),
            "mean_error": compared.error(name),
            "expected_mean": weak.expected_mean(name),
        }
    return found


def mean(values: Floats) -> float | None:
    return round(float(values.mean()), 6) if len(values) else None
