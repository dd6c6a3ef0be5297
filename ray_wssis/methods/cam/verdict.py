"""The stage that tells whether a student, given the tags, labels better than what labelled before.

Audit images tell, from which no network has learnt.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from ray_wssis.artifacts import Artifact, Workspace
from ray_wssis.data.records import Records
from ray_wssis.metrics.miou import Counts
from ray_wssis.run import ROWS, Run
from ray_wssis.semantic.split import AUDIT
from ray_wssis.semantic.truth import beside_truth
from ray_wssis.storage import write_json
from ray_wssis.streaming.labeller import Labeller
from ray_wssis.streaming.table import each_row
from ray_wssis.verdict import VERDICT, said

COLUMNS = ["image_id", "class_map", "error"]


def judge(run: Run, data: Artifact, labels: Artifact, again: Labeller) -> Artifact:
    """Compare labels with those that a labeller draws of the audit images: `verdict.json`."""

    def make(stage: Workspace) -> None:
        truth = Records.read(data / AUDIT)
        before = after = None
        if len(truth):
            run.infer(stage, [data.part(AUDIT)], again)
            before, after = (
                miou(each_row(folder, COLUMNS, source="audit"), truth)
                for folder in (labels / ROWS, stage / ROWS)
            )
        write_json(stage / VERDICT, said(len(truth), before, after))

    return run.stage(
        "verdict",
        "Tell on the audit images whether the student labels better",
        {"audit_images": data.part(AUDIT), "labels": labels, "labeller": again.made_from},
        make,
        logs=[ROWS],
        keep=[ROWS],
        follows_retry=True,
    )


def miou(rows: Iterable[Mapping[str, Any]], truth: Records) -> float | None:
    """Return the mIoU of labels, in percent; None without a value."""
    number = len(truth.categories)
    total = Counts.none(number)
    for _, true, drawn in beside_truth(rows, truth):
        total += Counts.of(true, drawn, number)
    value = total.figures()["mIoU"]
    return value if value == value else None
