"""Sections of the page about a run that ends in an instance segmenter.

They are made from the run folder alone.  What a run lacks (an upper bound, hidden true masks, a
refiner) the page says it lacks; a figure without a value is a dash.
"""

from collections.abc import Iterable, Mapping, Sequence
from importlib import resources
from typing import Any

from upath import UPath

from ray_wssis.data.records import Records
from ray_wssis.instance.advice import Advice, advise
from ray_wssis.instance.gallery import gallery
from ray_wssis.instance.label_numbers import LabelNumbers, RecordsById, read_label_numbers
from ray_wssis.instance.proposals.report import proposals_section
from ray_wssis.instance.report_classes import (
    COLORS,
    Models,
    classes_section,
    read_confusion,
    spoken,
)
from ray_wssis.instance.report_labellers import labellers_section
from ray_wssis.instance.report_masks import masks_section, trust_section
from ray_wssis.instance.report_plan import plan_section
from ray_wssis.instance.report_rounds import rounds_section
from ray_wssis.instance.sheets import contact_sheets
from ray_wssis.report.charts import Curve, figure_chart, loss_chart, read_curve
from ray_wssis.report.page import Section
from ray_wssis.report.run_folder import RunFolder, read_counts
from ray_wssis.report.template import render

HERE = "ray_wssis.instance"
SECONDS_PER_MASK = 79.2  # to draw a polygon, as measured for COCO (PointSup, arXiv:2104.06404)
SECONDS_PER_POINT = 1.0
AP_COLUMNS = {
    "AP": "AP",
    "AP50": "AP50",
    "AP75": "AP75",
    "AP_small": "small",
    "AP_medium": "medium",
    "AP_large": "large",
}
NUM_COLORS = 8  # of instances, in the style sheet


def instance_sections(folder: UPath, models: Models) -> list[Section]:
    """Build the sections about the run in `folder`.

    `models` names the stage that made the model of each role: `student` is what the run is for,
    `teacher` what it is compared with, `upper_bound` the same network trained on all true masks,
    `refiner` what improves rough masks.  Roles may be missing.
    """
    run = RunFolder.read(folder)
    truth = read_records(folder / "split/weak_truth.parquet")
    numbers = read_label_numbers(folder / "labels/rows", truth)
    names = class_names(folder)
    counts = read_counts(folder)
    classes = classes_section(run, models, names)
    advice, plan, rounds = advise(folder), plan_section(folder), rounds_section(run)
    labellers = labellers_section(run)
    proposed = proposals_section(run)
    pointed = counts.get("weak", {}).get("num_images") != 0
    has_refiner = models.get("refiner") in run.stages
    return [
        *([advice_section(advice)] if advice else []),
        accuracy_section(run, models, counts),
        *([rounds] if rounds else []),
        *([classes] if classes else []),
        *([masks_section(run, counts, numbers, has_refiner=has_refiner)] if pointed else []),
        trust_section(run),
        *([labellers] if labellers else []),
        *([proposed] if proposed else []),
        *([plan] if plan else []),
        training_section(run, models),
        *([sheets_section(numbers, truth, names)] if pointed else []),
        predictions_section(run, models, names),
    ]


def read_records(file: UPath) -> RecordsById | None:
    return RecordsById(Records.read(file)) if file.exists() else None


def class_names(folder: UPath) -> list[str]:
    """Names of the classes, in the order of their labels."""
    for part in ("val", "weak", "strong"):
        file = folder / f"split/{part}.parquet"
        if file.exists():
            return [category.name for category in Records.read(file).categories]
    return []


def advice_section(advice: Sequence[Advice]) -> Section:
    html = render("advice", HERE, advice=advice)
    return Section(anchor="next", title="What next", html=html)


def accuracy_section(run: RunFolder, models: Models, counts: Mapping[str, Any]) -> Section:
    """Average precision of the segmenters, and the headline of the page."""
    result = compare_models(run, models)
    headline = render(
        "headline",
        HERE,
        result=result,
        counts=counts,
        drawing=drawing_time(counts),
        mask_miou={kind: run.figure(f"pseudo/{kind}/mIoU") for kind in ("rough", "refined")},
    )
    rows = ap_rows(run, models)
    html = render("accuracy", HERE, rows=rows, columns=AP_COLUMNS, bound=result["bound"])
    return Section(anchor="accuracy", title="Accuracy", html=html, headline=headline)


def compare_models(run: RunFolder, models: Models) -> dict[str, float | None]:
    """AP of teacher, student and bound; the student's gain over one and share of the other."""
    teacher, student, bound = (run.figure(f"{models.get(role)}/val/AP") for role in COLORS)
    gain = None if student is None or teacher is None else student - teacher
    share = None if student is None or not bound else 100 * student / bound
    return {"student": student, "teacher": teacher, "bound": bound, "gain": gain, "share": share}


def drawing_time(counts: Mapping[str, Any]) -> dict[str, float] | None:
    """Seconds that people spent on drawing the labels, and that masks for all would have cost."""
    if "strong" not in counts or "weak" not in counts:
        return None
    num_masks = counts["strong"]["num_instances"]
    num_points = counts["weak"]["num_instances"]
    spent = num_masks * SECONDS_PER_MASK + num_points * SECONDS_PER_POINT
    full = (num_masks + num_points) * SECONDS_PER_MASK
    return {
        "per_mask": SECONDS_PER_MASK,
        "per_point": SECONDS_PER_POINT,
        "masks": num_masks * SECONDS_PER_MASK,
        "points": num_points * SECONDS_PER_POINT,
        "spent": spent,
        "full": full,
        "share": 100 * spent / full if full else 0.0,
    }


def ap_rows(run: RunFolder, models: Models) -> list[dict[str, Any]]:
    """One row per segmenter that was measured; its bar is relative to the best AP."""
    rows: list[dict[str, Any]] = []
    for role, color in COLORS.items():
        names = {column: f"{models.get(role)}/val/{column}" for column in AP_COLUMNS}
        if any(name in run.figures for name in names.values()):
            figures = {column: run.figure(name) for column, name in names.items()}
            rows.append({"role": spoken(role), "color": color, "figures": figures})
    best = max((row["figures"]["AP"] or 0 for row in rows), default=0)
    for row in rows:
        row["bar"] = 100 * (row["figures"]["AP"] or 0) / best if best else 0
    return rows


def training_section(run: RunFolder, models: Models) -> Section:
    html = render("training", HERE, charts=training_charts(run, models))
    return Section(anchor="training", title="Training", html=html)


def training_charts(run: RunFolder, models: Models) -> list[dict[str, str]]:
    """The charts that have any values."""
    charts = []
    if losses := curves_of(run, models, COLORS, "loss"):
        charts.append({"title": "Segmenters: loss", "svg": loss_chart(losses, "losses")})
    if precision := curves_of(run, models, COLORS, "val/AP"):
        svg = figure_chart(precision, "precision", "mask AP")
        charts.append({"title": "Segmenters: validation AP", "svg": svg})
    if losses := curves_of(run, models, {"refiner": "sky"}, "loss"):
        charts.append({"title": "Refiner: loss", "svg": loss_chart(losses, "refiner")})
    log = log_of(run, models, "refiner")
    if refined := with_values(
        read_curve(log, f"val/{kind}_mIoU", label=kind, color=color)
        for kind, color in (("rough", "amber"), ("refined", "sky"))
    ):
        svg = figure_chart(refined, "refined", "mIoU on validation images, %")
        charts.append({"title": "Refiner: before and after", "svg": svg})
    return charts


def curves_of(run: RunFolder, models: Models, colors: Mapping[str, str], key: str) -> list[Curve]:
    """Curves of one figure, for the roles in `colors`."""
    return with_values(
        read_curve(log_of(run, models, role), key, label=spoken(role), color=color)
        for role, color in colors.items()
    )


def with_values(curves: Iterable[Curve]) -> list[Curve]:
    return [curve for curve in curves if curve.values]


def log_of(run: RunFolder, models: Models, role: str) -> Sequence[Mapping[str, float | None]]:
    stage = run.stages.get(models.get(role, ""))
    return stage.log if stage else ()


def sheets_section(numbers: LabelNumbers, truth: RecordsById | None, names: list[str]) -> Section:
    sheets = contact_sheets(numbers, truth, names)
    html = render("sheets", HERE, sheets=sheets, knows_truth=numbers.knows_truth)
    return Section(anchor="sheets", title="Contact sheets", html=html, style=style())


def predictions_section(run: RunFolder, models: Models, names: list[str]) -> Section:
    """Show what the student finds, beside the truth."""
    truth = read_records(run.folder / "split/val.parquet")
    found = None
    if truth is not None and "student" in models:
        predictions = run.folder / "evaluation/rows"
        score, _ = read_confusion(run, models)
        found = gallery(predictions, models["student"], truth, names, NUM_COLORS, score)
    html = render("predictions", HERE, gallery=found)
    return Section(anchor="predictions", title="Predictions", html=html, style=style())


def style() -> str:
    """The style sheet of contact sheets and galleries."""
    return (resources.files(HERE) / "templates/instance.css").read_text(encoding="utf-8")
