"""Figures of a run: average precision of each segmenter, quality of the pseudo masks.

The name of a figure carries how it was taken: `student/val/AP` is without any prompt, on the
validation pictures; `pseudo/refined/mIoU` is of the masks drawn for points, against masks that
were hidden from training.
"""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from upath import UPath

from ray_wssis.artifacts import Artifact, open_stage
from ray_wssis.data.records import Records
from ray_wssis.instance.audit import read_quality
from ray_wssis.instance.label import ROWS
from ray_wssis.instance.mask_quality import MaskQuality
from ray_wssis.instance.predict import SCHEMA, FindInstances
from ray_wssis.instance.quality import COLUMNS, QualityModel, read_column
from ray_wssis.instance.segmenter import read_config
from ray_wssis.instance.split import VALIDATION, WEAK, WEAK_TRUTH
from ray_wssis.instance.truth import Ious, compare_row, iou_or_nan
from ray_wssis.metrics.calibration import calibration_error, reliability_bins
from ray_wssis.metrics.coco_ap import Prediction, average_precision
from ray_wssis.models.solov2 import PADDING_MULTIPLE
from ray_wssis.streaming.config import LabellingWorkers
from ray_wssis.streaming.shards import finish_with_rows
from ray_wssis.streaming.stream import Pass, stream
from ray_wssis.streaming.table import RowsById, read_rows

METRICS = "metrics.json"
PREDICTIONS = "predictions"
LOOKED_AT = ["image_id", "annotation_id", *COLUMNS]  # of labels, to expect an IoU


def evaluate(
    data: Artifact,
    models: dict[str, Artifact],
    labels: Artifact,
    audit: Artifact,
    workers: LabellingWorkers,
    folder: UPath,
    *,
    redo: bool,
) -> Artifact:
    """`metrics.json` with all figures, and in `predictions/` what the models find in the
    validation pictures.  AP and mIoU are in percent; a figure that has no value is null."""
    made_from = {"split": data, "labels": labels, "audit": audit} | models
    stage = open_stage(folder, made_from, redo=redo, keep=[PREDICTIONS])
    if isinstance(stage, Artifact):
        return stage
    figures: dict[str, float] = {}
    truth = Records.read(data / VALIDATION)
    folders = {name: str(model / "model") for name, model in models.items()}
    sides = {read_config(UPath(model)).sides for model in folders.values()}
    stream(
        Pass(
            name="evaluation",
            records=[data / VALIDATION],
            worker=FindInstances,
            arguments={"models": folders},
            schema=SCHEMA,
            made_from=" ".join(models[name].hash_of("model") for name in models),
            network_size=read_config(UPath(next(iter(folders.values())))).sides,
            canvas_multiple=PADDING_MULTIPLE,
            needs_original=len(sides) > 1,
            out=stage / PREDICTIONS,
        ),
        workers,
    )
    rows = read_rows(stage / PREDICTIONS)
    for name in models:
        found = [row for row in rows if row["model"] in (name, None)]
        precision = average_precision(truth, map(read_prediction, found))
        figures |= {f"{name}/val/{figure}": value for figure, value in precision.items()}
    if (data / WEAK_TRUTH).exists():
        figures |= label_figures(Records.read(data / WEAK_TRUTH), labels, audit)
    known = {name: value if value == value else None for name, value in figures.items()}
    (stage / METRICS).write_text(json.dumps(known, indent=2) + "\n")
    return finish_with_rows(stage, PREDICTIONS)


def read_prediction(row: dict[str, Any]) -> Prediction:
    return Prediction(
        image_id=row["image_id"],
        labels=row["label"] or [],
        scores=row["score"] or [],
        masks=row["mask"] or [],
    )


def label_figures(truth: Records, labels: Artifact, audit: Artifact) -> dict[str, float]:
    """Quality of the rough and the refined masks against the hidden ones, and of what was expected
    of the refined ones.  Every mask is compared once."""
    rows = RowsById(labels / ROWS, UPath(WEAK).stem)
    quality = {"rough": MaskQuality(), "refined": MaskQuality()}
    refined: dict[int, Ious] = {}
    for record in truth:
        row = rows.get(record.image_id) or {}
        ious = {column: compare_row(row, column, record) for column in quality}
        for column, measured in quality.items():
            measured.add(record, ious[column])
        refined[record.image_id] = ious["refined"]
    names = [category.name for category in truth.categories]
    return {
        f"pseudo/{column}/{figure}": value
        for column, measured in quality.items()
        for figure, value in measured.figures(names).items()
    } | trust_figures(refined, labels, read_quality(audit))


def trust_figures(
    refined: Mapping[int, Ious], labels: Artifact, model: QualityModel
) -> dict[str, float]:
    """Calibration error of the expected IoU over ten groups of equal count, and mIoU of all masks
    and of the 90 % with the highest expected IoU; in percent.

    `refined` are the IoUs of the refined masks by image id.
    """
    rows = read_rows(labels / ROWS, LOOKED_AT, pictures=UPath(WEAK).stem)
    true = np.array(
        [
            iou_or_nan(refined.get(row["image_id"], {}), annotation)
            for row in rows
            for annotation in row["annotation_id"] or ()
        ]
    )
    usable = np.isfinite(true) & (read_column(rows, "area") > 0)
    true, expected = true[usable], model.expected_ious(rows)[usable]
    if not np.isfinite(expected).any():
        return {}
    best = true[np.argsort(expected, kind="stable")[len(true) // 10 :]]
    error = calibration_error(reliability_bins(expected, true))
    assert error is not None
    return {
        "pseudo/refined/calibration_error": 100 * error,
        "pseudo/refined/mIoU_of_masks": 100 * float(true.mean()),
        "pseudo/refined/mIoU_of_best_90": 100 * float(best.mean()),
    }
