"""Figures of a run: average precision of each segmenter, quality of the pseudo masks.

The name of a figure carries how it was taken: `student/val/AP` is without any prompt, on the
validation images; `pseudo/refined/mIoU` is of the masks drawn for points, against masks that
were hidden from training.
"""

import json
import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from upath import UPath

from ray_wssis.artifacts import Artifact, Part, Workspace
from ray_wssis.data.records import Records
from ray_wssis.instance.audit import read_quality
from ray_wssis.instance.find_instances import FindInstances
from ray_wssis.instance.label_numbers import ROWS_AT_A_TIME, RecordsById
from ray_wssis.instance.mask_quality import MaskQuality
from ray_wssis.instance.proposals.compare import outcome
from ray_wssis.instance.proposals.stages import Proposals
from ray_wssis.instance.quality import QualityModel, read_column
from ray_wssis.instance.segmenter_config import read_config
from ray_wssis.instance.split import (
    UNLABELLED,
    UNLABELLED_TRUTH,
    VALIDATION,
    WEAK,
    WEAK_TRUTH,
)
from ray_wssis.instance.truth import Ious, compare_row, iou_or_nan
from ray_wssis.metrics.calibration import calibration_error, reliability_bins
from ray_wssis.metrics.coco_ap import Prediction, count_objects, measure_precision
from ray_wssis.metrics.confusion import Confusion
from ray_wssis.models.model_folder import METRICS, worse_student
from ray_wssis.models.solov2_config import PADDING_MULTIPLE
from ray_wssis.run import ROWS, Run
from ray_wssis.run_config import round_prefix
from ray_wssis.storage import read_json, write_atomically, write_json
from ray_wssis.streaming.table import RowsById, each_row, pieces, read_rows

CONFUSION = "confusion.json"  # of each model, by name

logger = logging.getLogger(__name__)


def evaluate(
    run: Run,
    data: Artifact,
    models: Mapping[str, Artifact],
    labels: Artifact,
    audit: Artifact,
    earlier: Sequence[tuple[Artifact, Artifact]] = (),
    proposals: Proposals | None = None,
) -> Artifact:
    """Measure: `metrics.json` with all figures, also in the run's folder, `confusion.json` with
    what objects were taken for, and in `rows/` what the models find in the validation images.

    AP and mIoU are in percent; a figure that has no value is null.  `earlier` are labels of earlier
    rounds and their audits; the name of each figure of them begins with that of the round.
    `proposals` are measured on unlabelled images where these hide true masks.
    """

    def make(stage: Workspace) -> None:
        finder = find_instances({name: model.part("model") for name, model in models.items()})
        run.infer(stage, [data.part(VALIDATION)], finder)
        truth = Records.read(data / VALIDATION)
        figures = precision_figures(truth, stage / ROWS, list(models))
        write_json(stage / CONFUSION, confusion_figures(truth, stage / ROWS, list(models)))
        if (data / WEAK_TRUTH).exists():
            hidden = Records.read(data / WEAK_TRUTH)
            figures |= label_figures(hidden, labels, audit)
            for number, (drawn, judged) in enumerate(earlier, start=1):
                own = label_figures(hidden, drawn, judged)
                figures |= {round_prefix(number) + name: value for name, value in own.items()}
        if proposals is not None and (data / UNLABELLED_TRUTH).exists():
            figures |= proposal_figures(Records.read(data / UNLABELLED_TRUTH), proposals)
        known = {name: value if value == value else None for name, value in figures.items()}
        (stage / METRICS).write_text(json.dumps(known, indent=2) + "\n")

    made = run.stage(
        "evaluation",
        "Measure",
        {"split": data, "labels": labels, "audit": audit}
        | dict(models)
        | {artifact.folder.name: artifact for drawn in earlier for artifact in drawn}
        | ({} if proposals is None else {"proposals_audit": proposals.chosen}),
        make,
        logs=[ROWS],
        keep=[ROWS],
    )
    write_atomically(run.folder / METRICS, (made / METRICS).read_bytes())
    warn(read_json(made / METRICS))
    return made


def find_instances(models: Mapping[str, Part]) -> FindInstances:
    """Compose the labeller of model folders; images are decoded once, for the first of them."""
    configs = [read_config(model.path) for model in models.values()]
    sides = [config.sides for config in configs]
    by_tiles = any(config.tile is not None for config in configs)
    return FindInstances(
        models={name: str(model.path) for name, model in models.items()},
        made_from=" ".join(model.digest for model in models.values()),
        network_size=sides[0],
        canvas_multiple=PADDING_MULTIPLE,
        needs_original=len(set(sides)) > 1 or by_tiles,
    )


def precision_figures(truth: Records, rows: UPath, models: list[str]) -> dict[str, float]:
    """Compute the average precision of each model, by what it found, also for each class, and
    count the objects of each class."""
    found = read_rows(rows)
    names = [category.name for category in truth.categories]
    figures: dict[str, float] = {}
    by_class: dict[str, float] = {}
    for name in models:
        own = [read_prediction(row) for row in found if row["model"] in (name, None)]
        precision = measure_precision(truth, own)
        figures |= {f"{name}/val/{figure}": value for figure, value in precision.figures.items()}
        for figure, values in precision.by_class.items():
            columns = zip(names, values, strict=True)
            by_class |= {f"{name}/val/{figure}/{column}": value for column, value in columns}
    objects = zip(names, count_objects(truth), strict=True)
    return figures | by_class | {f"val/objects/{name}": number for name, number in objects}


def confusion_figures(truth: Records, rows: UPath, models: list[str]) -> dict[str, Any]:
    """Count what each model takes objects for, row by row: masks are not gathered.

    Of each model, returns the score from which on its instances agree best with the truth, and
    the counts at this score.
    """
    confusions = {name: Confusion() for name in models}
    records = RecordsById(truth)
    for piece in pieces(each_row(rows), ROWS_AT_A_TIME):
        known = records.find([row["image_id"] for row in piece])
        for row in piece:
            for name in models if row["model"] is None else [row["model"]]:
                confusions[name].add(known[row["image_id"]], read_prediction(row))
    names = [category.name for category in truth.categories]
    return {name: describe(confusion, names) for name, confusion in confusions.items()}


def describe(confusion: Confusion, names: Sequence[str]) -> dict[str, Any]:
    """Give a confusion the names of the classes; the counts are of true class and class taken for,
    null where there was no object, or where it was missed."""
    score = confusion.best_threshold()
    spoken = {label: name for label, name in enumerate(names)} | {None: None}
    pairs = sorted(confusion.pairs(score).items(), key=lambda pair: (-pair[1], str(pair[0])))
    return {
        "score": score,
        "counts": [
            {"true": spoken[true_label], "found": spoken[label], "count": count}
            for (true_label, label), count in pairs
        ],
    }


def read_prediction(row: dict[str, Any]) -> Prediction:
    return Prediction(
        image_id=row["image_id"],
        labels=row["label"] or [],
        scores=row["score"] or [],
        masks=row["mask"] or [],
    )


def label_figures(truth: Records, labels: Artifact, audit: Artifact) -> dict[str, float]:
    """Measure the rough and the refined masks against the hidden ones, and the expected IoU of
    those that are used.  Every mask is compared once."""
    rows, model = RowsById(labels / ROWS, UPath(WEAK).stem), read_quality(audit)
    quality = {"rough": MaskQuality(), "refined": MaskQuality()}
    used: dict[int, Ious] = {}
    for record in truth:
        row = rows.get(record.image_id) or {}
        ious = {column: compare_row(row, column, record) for column in quality}
        for column, measured in quality.items():
            measured.add(record, ious[column])
        used[record.image_id] = ious[model.masks]
    names = [category.name for category in truth.categories]
    return {
        f"pseudo/{column}/{figure}": value
        for column, measured in quality.items()
        for figure, value in measured.figures(names).items()
    } | trust_figures(used, labels, model)


def proposal_figures(truth: Records, proposals: Proposals) -> dict[str, float]:
    """Measure the proposals that are learnt against hidden objects; figures are in percent.

    Of the objects, `recall` are learnt, and `missed` are background to the student.
    """
    records = {record.image_id: record for record in truth}
    rows = each_row(proposals.rows / ROWS, source=UPath(UNLABELLED).stem)
    known = (row for row in rows if row["error"] is None)
    found = outcome(known, records, proposals.choice)
    learnt, objects = found["num_right"] + found["num_wrong"], found["num_objects"]
    shares = {
        "precision": (found["num_right"], learnt),
        "recall": (found["num_right"], objects),
        "missed": (found["num_missed"], objects),
    }
    figures = {
        name: 100 * part / whole if whole else np.nan for name, (part, whole) in shares.items()
    }
    figures["mIoU"] = np.nan if found["mIoU"] is None else found["mIoU"]
    return {f"proposed/{name}": value for name, value in figures.items()}


def trust_figures(
    used: Mapping[int, Ious], labels: Artifact, model: QualityModel
) -> dict[str, float]:
    """Compute the calibration error of the expected IoU over ten groups of equal count, and the
    mIoU of all masks and of the 90 % with the highest expected IoU; in percent.

    `used` are the IoUs of the masks that are used, by image id.
    """
    rows = read_rows(
        labels / ROWS, ["image_id", "annotation_id", *model.columns], source=UPath(WEAK).stem
    )
    true = np.array(
        [
            iou_or_nan(used.get(row["image_id"], {}), annotation)
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


def warn(figures: Mapping[str, float | None]) -> None:
    """Say so if nothing was gained."""
    if (ap := worse_student(figures)) is not None:
        teacher, student = ap
        logger.warning(
            "the student is worse than its teacher (AP %.1f against %.1f), so serving and export "
            "use the teacher. Start the student from it (student.start: teacher), train it for "
            "more steps, or look at the audit of its masks",
            student,
            teacher,
        )
