"""The trial of a student that may draw the masks of the next round.

It draws those of the audit images, whose true masks neither it nor its teacher has learnt from.
Only if they are better than its teacher's does it draw on.
"""

import logging

from ray_wssis.artifacts import Artifact, Workspace
from ray_wssis.data.records import Records
from ray_wssis.instance.audit_figures import Audit, percent
from ray_wssis.instance.drawer import TRIAL, student_draws
from ray_wssis.instance.label import InstanceLabeller
from ray_wssis.instance.quality import better_masks
from ray_wssis.instance.split import AUDIT
from ray_wssis.run import ROWS, Run, streamed_from
from ray_wssis.storage import read_json, write_json
from ray_wssis.streaming.table import read_rows

COLUMNS = ["image_id", "annotation_id", "rough", "refined", "label", "area"]

logger = logging.getLogger(__name__)


def trial(run: Run, data: Artifact, labels: Artifact, by: InstanceLabeller) -> Artifact:
    """Label the audit images with the student: `rows/`, and `trial.json` with the mIoU of its
    masks and of those in `labels`, its teacher's."""
    images = [data.part(AUDIT)]

    def make(stage: Workspace) -> None:
        run.infer(stage, images, by)
        figures = {"teacher": audited_miou(data, labels), "student": audited_miou(data, stage)}
        write_json(stage / TRIAL, {f"{who}_mIoU": miou for who, miou in figures.items()})

    return run.stage(
        "trial",
        "Let the student draw the masks of the audit images",
        {**streamed_from(images, by), "labels": labels},
        make,
        logs=[ROWS],
        keep=[ROWS],
    )


def audited_miou(data: Artifact, labels: Artifact | Workspace) -> float | None:
    """Return the mIoU of the masks of the audit images, rough or refined, whichever are better, in
    percent; None without any."""
    truth = {record.image_id: record for record in Records.read(data / AUDIT)}
    rows = read_rows(labels / ROWS, COLUMNS, source=AUDIT.partition(".")[0])
    audit = Audit.of(rows, truth)
    known = audit.is_known
    return percent(audit.ious(better_masks(audit))[known]) if known.any() else None


def report_trial(tried: Artifact) -> None:
    """Log who draws the next masks, and why."""
    figures, name = read_json(tried / TRIAL), tried.folder.name
    teacher, student = figures["teacher_mIoU"], figures["student_mIoU"]
    if teacher is None or student is None:
        logger.warning("%s: there are no audit images to compare masks on; the student draws", name)
        return
    logger.info(
        "%s: on the audit images, the student's masks have an mIoU of %.1f, its teacher's %.1f: "
        "the %s draws the next ones",
        *(name, student, teacher, "student" if student_draws(tried.folder) else "teacher"),
    )
