"""The stage that tells whether a round made things worse.

Audit images tell, from which no network of the round has learnt.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ray_wssis.artifacts import Artifact, Workspace
from ray_wssis.data.records import Records
from ray_wssis.metrics.miou import Counts
from ray_wssis.run import ROWS, Run
from ray_wssis.semantic.count_labels import CountLabels
from ray_wssis.semantic.evaluate import model_figures
from ray_wssis.semantic.segmenter_config import Views
from ray_wssis.semantic.split import AUDIT
from ray_wssis.semantic.truth import beside_truth
from ray_wssis.storage import write_json
from ray_wssis.streaming.labeller import Labeller
from ray_wssis.streaming.table import each_row
from ray_wssis.verdict import VERDICT, said

COLUMNS = ["image_id", "class_map", "error"]

Compare = Callable[[Workspace, Records], list[float]]  # mIoU before and after, of audit images


def judge_labels(run: Run, data: Artifact, labels: Artifact, again: Labeller) -> Artifact:
    """Compare labels with those that a labeller draws of the audit images: `verdict.json`."""

    def compare(stage: Workspace, truth: Records) -> list[float]:
        run.infer(stage, [data.part(AUDIT)], again)
        drawn = (each_row(made / ROWS, COLUMNS, source="audit") for made in (labels, stage))
        return [miou(rows, truth) for rows in drawn]

    says = "Tell on the audit images whether the student labels better"
    return judge(run, data, says, {"labels": labels, "labeller": again.made_from}, compare)


def judge_models(run: Run, data: Artifact, before: Artifact, after: Artifact) -> Artifact:
    """Compare two models, which are given no tags: `verdict.json`."""
    models = {"before": before.part("model"), "after": after.part("model")}

    def compare(stage: Workspace, truth: Records) -> list[float]:
        names = [category.name for category in truth.categories]
        run.infer(stage, [data.part(AUDIT)], CountLabels.of(models, len(names), Views()))
        figures = model_figures(stage / ROWS, names)
        return [figures.get(f"{model}/val/mIoU", float("nan")) for model in models]

    return judge(run, data, "Tell on the audit images whether it got worse", models, compare)


def judge(
    run: Run, data: Artifact, says: str, made_from: Mapping[str, Any], compare: Compare
) -> Artifact:
    def make(stage: Workspace) -> None:
        truth = Records.read(data / AUDIT)
        figures = compare(stage, truth) if len(truth) else [float("nan")] * 2
        before, after = (None if value != value else value for value in figures)
        write_json(stage / VERDICT, said(len(truth), before, after))

    return run.stage(
        "verdict",
        says,
        {"audit_images": data.part(AUDIT), **made_from},
        make,
        logs=[ROWS],
        keep=[ROWS],
        follows_retry=True,
    )


def miou(rows: Iterable[Mapping[str, Any]], truth: Records) -> float:
    """Return the mIoU of labels, in percent; NaN without a value."""
    number = len(truth.categories)
    total = Counts.none(number)
    for _, true, drawn in beside_truth(rows, truth):
        total += Counts.of(true, drawn, number)
    return total.figures()["mIoU"]
