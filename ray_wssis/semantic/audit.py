"""The audit: how far pseudo labels can be trusted, and which a person should look at first.

Audit images were labelled by the very same path as the weak ones, and their class maps are known.
They calibrate, for every weak image, the share of its pixels that are expected to be right.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from upath import UPath

from ray_wssis.artifacts import Artifact, Workspace
from ray_wssis.data.class_maps.png import decode
from ray_wssis.data.records import Record, Records
from ray_wssis.instance.signal_prior import prior_of
from ray_wssis.metrics.calibration import Regression, cross_validated
from ray_wssis.metrics.miou import Counts
from ray_wssis.run import ROWS, Run
from ray_wssis.semantic.label_config import AuditConfig
from ray_wssis.semantic.label_row import SIGNALS
from ray_wssis.semantic.split import AUDIT, WEAK
from ray_wssis.storage import write_json
from ray_wssis.streaming.table import each_row

FIGURES = "audit.json"
REVIEW = "review.json"

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
    truth = Records.read(data / AUDIT)
    num_classes = len(truth.categories)
    known = {record.image_id: record for record in truth}
    compared = list(compare(each_row(labels / ROWS, source=UPath(AUDIT).stem), known, num_classes))
    models = {
        name: fit([(row, values[name]) for row, values in compared])
        for name in ("pixel_accuracy", "mIoU")
    }
    columns = ["image_id", "file", "flags", "error", *SIGNALS]
    weak = [
        row
        for row in each_row(labels / ROWS, columns, source=UPath(WEAK).stem)
        if row["error"] is None
    ]
    expected = {name: predict(model, weak) for name, model in models.items()}
    write_json(stage / FIGURES, figures(compared, expected))
    write_json(stage / REVIEW, {"images": worst(weak, expected, config.review)})


def compare(
    rows: Iterable[Row], truth: Mapping[int, Record], num_classes: int
) -> Iterable[tuple[Row, dict[str, float]]]:
    """Yield each row with the pixel accuracy and the mIoU of its class map, 0..1."""
    for row in rows:
        record = truth.get(row["image_id"])
        if row["error"] is None and record is not None and record.class_map is not None:
            true, drawn = decode(record.class_map), decode(row["class_map"])
            found = Counts.of(true, drawn, num_classes).figures()
            if np.isfinite(found["mIoU"]):
                yield row, {name: found[name] / 100 for name in ("pixel_accuracy", "mIoU")}


def fit(compared: Sequence[tuple[Row, float]]) -> Regression | None:
    if not compared:
        return None
    rows = [row for row, _ in compared]
    values, truth = signals(rows), np.array([value for _, value in compared])
    return Regression.fit(values, truth, ids(rows), prior_of(SIGNALS, values))


def predict(model: Regression | None, rows: Sequence[Row]) -> Floats | None:
    return None if model is None or not rows else model.predict(signals(rows))


def signals(rows: Sequence[Row]) -> Floats:
    return np.array([[row[name] for name in SIGNALS] for row in rows], np.float64)


def ids(rows: Sequence[Row]) -> NDArray[np.int64]:
    return np.array([row["image_id"] for row in rows], np.int64)


def figures(
    compared: Sequence[tuple[Row, dict[str, float]]], expected: Mapping[str, Floats | None]
) -> dict[str, Any]:
    """Measure the audit images, and how well others of them would have told each one's figures."""
    found: dict[str, Any] = {"num_audit_images": len(compared)}
    rows = [row for row, _ in compared]
    for name, values in expected.items():
        true = np.array([measured[name] for _, measured in compared])
        told = None
        if len(rows) > 1:
            values_of_audit = signals(rows)
            prior = prior_of(SIGNALS, values_of_audit)
            told = cross_validated(values_of_audit, true, ids(rows), prior)
        found[name] = {
            "audit_mean": rounded(true),
            "mean_error": None if told is None else rounded(np.abs(told - true)),
            "expected_mean": None if values is None else rounded(values),
        }
    return found


def rounded(values: Floats) -> float | None:
    return round(float(values.mean()), 6) if len(values) else None


def worst(
    rows: Sequence[Row], expected: Mapping[str, Floats | None], most: int
) -> list[dict[str, Any]]:
    """List the images that a person should look at first."""
    judged = expected["pixel_accuracy"]
    confidence = np.array([row["confidence_mean"] for row in rows])
    order = np.lexsort([ids(rows), confidence if judged is None else judged])[:most]
    return [
        {
            "image_id": rows[i]["image_id"],
            "file": rows[i]["file"],
            "flags": rows[i]["flags"],
            "confidence_mean": round(float(confidence[i]), 4),
        }
        | {
            f"expected_{name}": None if values is None else round(float(values[i]), 4)
            for name, values in expected.items()
        }
        for i in order
    ]
