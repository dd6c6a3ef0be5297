"""The stage that tells whether a student draws better masks than the network that taught it.

It draws those of the audit images, whose true masks neither of them has learnt from.
"""

import logging

from ray_wssis.artifacts import Artifact, Workspace
from ray_wssis.data.records import Records
from ray_wssis.instance.audit_figures import Audit, percent
from ray_wssis.instance.label import InstanceLabeller
from ray_wssis.instance.quality import better_masks
from ray_wssis.instance.split import AUDIT
from ray_wssis.run import ROWS, Run, streamed_from
from ray_wssis.storage import read_json, write_json
from ray_wssis.streaming.table import read_rows
from ray_wssis.verdict import VERDICT, said

COLUMNS = ["image_id", "annotation_id", "rough", "refined", "label", "area"]

logger = logging.getLogger(__name__)


def judge(run: Run, data: Artifact, labels: Artifact, by: InstanceLabeller) -> Artifact:
    """Compare the masks of a student with those in `labels`, its teacher's: `verdict.json`."""
    images = [data.part(AUDIT)]

    def make(stage: Workspace) -> None:
        run.infer(stage, images, by)
        number = len(Records.read(data / AUDIT))
        before, after = (audited_miou(data, drawn) for drawn in (labels, stage))
        write_json(stage / VERDICT, said(number, before, after))

    made = run.stage(
        "verdict",
        "Tell on the audit images whether the student draws better masks",
        {**streamed_from(images, by), "labels": labels},
        make,
        logs=[ROWS],
        keep=[ROWS],
    )
    report(made)
    return made


def audited_miou(data: Artifact, labels: Artifact | Workspace) -> float | None:
    """Return the mIoU of the masks of the audit images, rough or refined, whichever are better, in
    percent; None without any."""
    truth = {record.image_id: record for record in Records.read(data / AUDIT)}
    rows = read_rows(labels / ROWS, COLUMNS, source=AUDIT.partition(".")[0])
    audit = Audit.of(rows, truth)
    known = audit.is_known
    return percent(audit.ious(better_masks(audit))[known]) if known.any() else None


def report(made: Artifact) -> None:
    """Log who draws the next masks, and why."""
    verdict, name = read_json(made / VERDICT), made.folder.name
    if verdict["before"] is None or verdict["after"] is None:
        logger.warning("%s: there are no audit images to compare masks on; the student draws", name)
        return
    logger.info(
        "%s: on the audit images, the student's masks have an mIoU of %.1f, its teacher's %.1f: "
        "the %s draws the next ones",
        *(name, verdict["after"], verdict["before"]),
        "student" if verdict["is_taken"] else "teacher",
    )
