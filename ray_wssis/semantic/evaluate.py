"""Figures of a semantic run: mIoU of each model, quality of the pseudo labels.

The name of a figure carries how it was taken: `student/val/mIoU` is without any hint,
`student/val/mIoU@tags` with the tags of the image, `student/val/mIoU@views` over several scales
and flips; `pseudo/mIoU` is of the labels of the weak images, whose true class maps are hidden.
"""

import json
from collections.abc import Mapping

from upath import UPath

from ray_wssis.artifacts import Artifact, Workspace
from ray_wssis.data.records import Records
from ray_wssis.metrics.miou import Counts
from ray_wssis.models.model_folder import METRICS
from ray_wssis.run import ROWS, Run
from ray_wssis.semantic.count_labels import CountLabels, read_counts
from ray_wssis.semantic.segmenter_config import Views
from ray_wssis.semantic.split import VALIDATION, WEAK_TRUTH
from ray_wssis.semantic.to_label import to_label
from ray_wssis.semantic.truth import beside_truth
from ray_wssis.storage import write_atomically
from ray_wssis.streaming.table import each_row


def evaluate(
    run: Run,
    data: Artifact,
    models: Mapping[str, Artifact],
    labels: Artifact | None,
    views: Views,
) -> Artifact:
    """Measure: `metrics.json` with all figures, also in the run's folder, and in `rows/` what the
    models see in the validation images.  Figures are in percent; one without a value is null."""
    categories = Records.read(data / VALIDATION).categories
    names = [category.name for category in categories]
    parts = {name: model.part("model") for name, model in models.items()}

    def make(stage: Workspace) -> None:
        run.infer(stage, [data.part(VALIDATION)], CountLabels.of(parts, len(names), views))
        figures = model_figures(stage / ROWS, names)
        if labels is not None and (data / WEAK_TRUTH).exists():
            source = UPath(to_label(data.folder)).stem
            figures |= label_figures(Records.read(data / WEAK_TRUTH), labels, source, names)
        known = {name: value if value == value else None for name, value in figures.items()}
        (stage / METRICS).write_text(json.dumps(known, indent=2) + "\n")

    made_from = {"split": data, "views": views} | dict(models)
    if labels is not None:
        made_from["labels"] = labels
    made = run.stage("evaluation", "Measure", made_from, make, logs=[ROWS], keep=[ROWS])
    write_atomically(run.folder / METRICS, (made / METRICS).read_bytes())
    return made


def model_figures(rows: UPath, names: list[str]) -> dict[str, float]:
    """Add up the counts of all images for each way of asking."""
    totals: dict[str, Counts] = {}
    for row in each_row(rows, ["way", "pair", "pixels", "boundary", "error"]):
        if row["error"] is None:
            none = Counts.none(len(names))
            totals[row["way"]] = totals.get(row["way"], none) + read_counts(row, len(names))
    figures = {}
    for way, counts in sorted(totals.items()):
        model, _, hint = way.partition("@")
        suffix = f"@{hint}" if hint else ""
        for name, value in counts.figures(() if hint else names).items():
            figures[f"{model}/val/{name}{suffix}"] = value
    return figures


def label_figures(
    truth: Records, labels: Artifact, source: str, names: list[str]
) -> dict[str, float]:
    """Compare the pseudo labels with the class maps that were hidden."""
    total, columns = Counts.none(len(names)), ["image_id", "class_map", "error"]
    rows = each_row(labels / ROWS, columns, source=source)
    for _, true, drawn in beside_truth(rows, truth):
        total += Counts.of(true, drawn, len(names))
    return {f"pseudo/{name}": value for name, value in total.figures(names).items()}
