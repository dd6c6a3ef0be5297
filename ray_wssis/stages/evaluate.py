"""Figures of a run: average precision of each segmenter, quality of the pseudo masks.

The name of a figure carries how it was taken: `student/val/AP` is without any prompt, on the
validation pictures; `pseudo/refined/mIoU` is of the masks drawn for points, against masks that
were hidden from training.
"""

import json
from typing import Any

from upath import UPath

from ray_wssis.artifacts import Artifact, open_stage
from ray_wssis.data.records import Records
from ray_wssis.methods.point_wssis.segmenter import read_config
from ray_wssis.metrics.coco_ap import Prediction, average_precision
from ray_wssis.metrics.pseudo_masks import MaskQuality
from ray_wssis.stages.predict import FindInstances
from ray_wssis.stages.split import VALIDATION, WEAK, WEAK_TRUTH
from ray_wssis.stages.stream import LabellingWorkers, stream
from ray_wssis.stages.table import read_rows

METRICS = "metrics.json"


def evaluate(
    data: Artifact,
    models: dict[str, Artifact],
    labels: Artifact,
    workers: LabellingWorkers,
    folder: UPath,
    *,
    redo: bool,
) -> Artifact:
    """`metrics.json` with all figures, and in `predictions/` what the models find in the
    validation pictures.  AP and mIoU are in percent; a figure that has no value is null."""
    stage = open_stage(folder, {"split": data, "labels": labels} | models, redo=redo)
    if isinstance(stage, Artifact):
        return stage
    figures: dict[str, float] = {}
    truth = Records.read(data / VALIDATION)
    folders = {name: str(model / "model") for name, model in models.items()}
    stream(
        [data / VALIDATION],
        FindInstances,
        {"models": folders},
        read_config(UPath(next(iter(folders.values())))).sides,
        workers,
        stage / "predictions",
        folder_per="model",
    )
    for name in models:
        found = read_rows(stage / "predictions" / f"model={name}")
        precision = average_precision(truth, map(read_prediction, found))
        figures |= {f"{name}/val/{figure}": value for figure, value in precision.items()}
    if (data / WEAK_TRUTH).exists():
        figures |= pseudo_mask_figures(Records.read(data / WEAK_TRUTH), labels)
    known = {name: value if value == value else None for name, value in figures.items()}
    (stage / METRICS).write_text(json.dumps(known, indent=2) + "\n")
    return stage.finish()


def read_prediction(row: dict[str, Any]) -> Prediction:
    return Prediction(
        image_id=row["image_id"],
        labels=row["label"] or [],
        scores=row["score"] or [],
        masks=row["mask"] or [],
    )


def pseudo_mask_figures(truth: Records, labels: Artifact) -> dict[str, float]:
    """Quality of the rough and the refined masks against the hidden ones."""
    rows = {row["image_id"]: row for row in read_rows(labels / UPath(WEAK).stem)}
    names = [category.name for category in truth.categories]
    figures: dict[str, float] = {}
    for column in ("rough", "refined"):
        quality = MaskQuality()
        for record in truth:
            row = rows[record.image_id]
            drawn = dict(zip(row["annotation_id"] or [], row[column] or [], strict=True))
            quality.add(record, drawn)
        measured = quality.figures(names)
        figures |= {f"pseudo/{column}/{figure}": value for figure, value in measured.items()}
    return figures
