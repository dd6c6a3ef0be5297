"""The page that shows a finished run: one HTML file that needs nothing else.

It is made from the run folder alone.  What a run does not have (an upper bound, hidden true
masks, a refiner) the page says it does not have; a figure without a value is a dash.
"""

from typing import Any

import numpy as np
from upath import UPath

from ray_wssis.artifacts import code_version
from ray_wssis.data.records import Records
from ray_wssis.instance.gallery import gallery
from ray_wssis.instance.label_numbers import LabelNumbers, RecordsById, read_label_numbers
from ray_wssis.instance.sheets import contact_sheets
from ray_wssis.report.charts import (
    Curve,
    curve,
    figure_chart,
    iou_histogram,
    loss_chart,
    reliability_chart,
)
from ray_wssis.report.run_folder import STAGES, Run
from ray_wssis.report.template import template
from ray_wssis.storage import write_atomically

PAGE = "index.html"
SECONDS_PER_MASK = 79.2  # to draw a polygon, as measured for COCO (PointSup, arXiv:2104.06404)
SECONDS_PER_POINT = 1.0
SEGMENTERS = {"teacher": "teacher", "student": "student", "upper_bound": "upper-bound"}
AP_COLUMNS = {
    "AP": "AP",
    "AP50": "AP50",
    "AP75": "AP75",
    "AP_small": "small",
    "AP_medium": "medium",
    "AP_large": "large",
}
NUM_COLORS = 8  # of instances, in the style sheet
MOST_FAILED = 50  # pictures that are listed by name


def write_report(run: UPath, folder: UPath) -> None:
    """Write `folder/index.html` about the run folder `run`."""
    facts = Run.read(run)
    truth_file, validation_file = run / "split/weak_truth.parquet", run / "split/val.parquet"
    truth = RecordsById(Records.read(truth_file)) if truth_file.exists() else None
    numbers = read_label_numbers(run / "labels/rows", truth)
    names = facts.class_names()
    found = None
    if validation_file.exists():
        validation = RecordsById(Records.read(validation_file))
        found = gallery(run / "evaluation/predictions", validation, names, NUM_COLORS)
    page = template("page").render(
        name=run.name,
        run=facts,
        headline=headline(facts),
        drawing=drawing_time(facts),
        models=ap_rows(facts),
        ap_columns=AP_COLUMNS,
        masks=mask_quality(facts, numbers),
        classes=class_rows(facts),
        levels=level_rows(numbers),
        trust=trust(facts),
        histogram=histogram(numbers),
        charts=training_charts(facts),
        sheets=contact_sheets(numbers, truth, names),
        gallery=found,
        stages=stage_rows(facts),
        most_failed=MOST_FAILED,
        code_version=code_version(),
    )
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / PAGE, page.encode())


def headline(run: Run) -> dict[str, Any]:
    """What came out, as numbers that the first lines of the page speak of."""
    teacher, student, bound = (run.figure(f"{name}/val/AP") for name in SEGMENTERS)
    gain = None if student is None or teacher is None else student - teacher
    share = None if student is None or not bound else 100 * student / bound
    return {"student": student, "teacher": teacher, "bound": bound, "gain": gain, "share": share}


def drawing_time(run: Run) -> dict[str, float] | None:
    """Seconds of a person's work that the labels cost, and that masks everywhere would have."""
    if "strong" not in run.counts or "weak" not in run.counts:
        return None
    num_masks = run.counts["strong"]["num_instances"]
    num_points = run.counts["weak"]["num_instances"]
    spent = num_masks * SECONDS_PER_MASK + num_points * SECONDS_PER_POINT
    full = (num_masks + num_points) * SECONDS_PER_MASK
    return {
        "masks": num_masks * SECONDS_PER_MASK,
        "points": num_points * SECONDS_PER_POINT,
        "spent": spent,
        "full": full,
        "share": 100 * spent / full if full else 0.0,
    }


def ap_rows(run: Run) -> list[dict[str, Any]]:
    """One row per segmenter that was measured; its bar is relative to the best AP."""
    rows: list[dict[str, Any]] = []
    for stage, color in SEGMENTERS.items():
        figures = {column: run.figure(f"{stage}/val/{column}") for column in AP_COLUMNS}
        if any(f"{stage}/val/{column}" in run.metrics for column in AP_COLUMNS):
            rows.append({"name": color.replace("-", " "), "color": color, "figures": figures})
    best = max((row["figures"]["AP"] or 0 for row in rows), default=0)
    for row in rows:
        row["bar"] = 100 * (row["figures"]["AP"] or 0) / best if best else 0
    return rows


def mask_quality(run: Run, numbers: LabelNumbers) -> dict[str, Any]:
    """The pseudo masks as a whole: how many, and how good before and after refining."""
    num_points = run.counts.get("weak", {}).get("num_instances", len(numbers))
    num_missing = num_points - int(numbers.has_mask.sum())
    return {
        "num_points": num_points,
        "num_missing": num_missing,
        "missing_share": 100 * num_missing / num_points if num_points else None,
        "knows_truth": numbers.knows_truth,
        "has_refiner": "refiner" in run.manifests,
        "rows": [
            {
                "name": kind,
                "mIoU": run.figure(f"pseudo/{kind}/mIoU"),
                "share_good": run.figure(f"pseudo/{kind}/share_good"),
            }
            for kind in ("rough", "refined")
        ],
    }


def class_rows(run: Run) -> list[dict[str, Any]]:
    """mIoU of each class, best first."""
    prefix = "pseudo/refined/mIoU/"
    names = [name.removeprefix(prefix) for name in run.metrics if name.startswith(prefix)]
    rows = [
        {
            "name": name,
            "rough": run.figure(f"pseudo/rough/mIoU/{name}"),
            "refined": run.figure(f"{prefix}{name}"),
            "num_masks": run.counts.get("strong", {}).get("num_instances_per_class", {}).get(name),
            "num_points": run.counts.get("weak", {}).get("num_instances_per_class", {}).get(name),
        }
        for name in names
    ]
    return sorted(rows, key=lambda row: -(row["refined"] or 0.0))


def level_rows(numbers: LabelNumbers) -> list[dict[str, Any]]:
    """How often each pyramid level was picked, in percent of the masks."""
    levels, counts = np.unique(numbers.level[numbers.has_mask], return_counts=True)
    total = max(1, int(counts.sum()))
    return [
        {"level": level, "count": count, "share": 100 * count / total}
        for level, count in zip(levels.tolist(), counts.tolist(), strict=True)
    ]


def trust(run: Run) -> dict[str, Any] | None:
    """What the audit found; None for a run without one."""
    if not run.audit:
        return None
    reliability = run.audit["reliability"]
    chart = reliability_chart(reliability["bins"], "reliability") if reliability else None
    return run.audit | {"chart": chart, "has_review": run.has_review}


def histogram(numbers: LabelNumbers) -> str | None:
    known = np.isfinite(numbers.refined_iou)
    if not known.any():
        return None
    return iou_histogram(numbers.rough_iou[known], numbers.refined_iou[known], "iou")


def training_charts(run: Run) -> list[dict[str, str]]:
    """The curves for which there are any values."""
    charts = []
    losses = curves_of(run, SEGMENTERS, "loss")
    if losses:
        charts.append({"title": "Segmenters: loss", "svg": loss_chart(losses, "losses")})
    precision = curves_of(run, SEGMENTERS, "val/AP")
    if precision:
        svg = figure_chart(precision, "precision", "mask AP")
        charts.append({"title": "Segmenters: validation AP", "svg": svg})
    refiner = curves_of(run, {"refiner": "refined"}, "loss")
    if refiner:
        charts.append({"title": "Refiner: loss", "svg": loss_chart(refiner, "refiner")})
    mended = {kind: curve(run.logs["refiner"], f"val/{kind}_mIoU") for kind in ("rough", "refined")}
    mended = {kind: points for kind, points in mended.items() if points[0]}
    if mended:
        svg = figure_chart(mended, "mended", "mIoU on validation pictures, %")
        charts.append({"title": "Refiner: before and after", "svg": svg})
    return charts


def curves_of(run: Run, colors: dict[str, str], key: str) -> dict[str, Curve]:
    found = {color: curve(run.logs[stage], key) for stage, color in colors.items()}
    return {color: points for color, points in found.items() if points[0]}


def stage_rows(run: Run) -> list[dict[str, Any]]:
    seconds = {stage: float(note.get("seconds", 0)) for stage, note in run.manifests.items()}
    longest = max(seconds.values(), default=0) or 1
    return [
        {
            "name": stage,
            "what": what,
            "seconds": seconds[stage],
            "bar": 100 * seconds[stage] / longest,
            "started": str(run.manifests[stage].get("started", "")),
            "digest": str(run.manifests[stage].get("digest", "")),
            "code_version": str(run.manifests[stage].get("code_version", "")),
            "seed": run.manifests[stage].get("seed"),
        }
        for stage, what in STAGES.items()
        if stage in run.manifests
    ]
