"""The trial of a student that may draw the masks of the next round.

It draws those of the audit images, whose true masks neither it nor its teacher has learnt from.
Only if they are better than its teacher's does it go on drawing.
"""

import logging

from ray_wssis.artifacts import Artifact
from ray_wssis.data.records import Records
from ray_wssis.instance.audit_figures import Audit, percent
from ray_wssis.instance.label import InstanceLabeller
from ray_wssis.instance.quality import better_masks
from ray_wssis.instance.split import AUDIT
from ray_wssis.run import ROWS, Run
from ray_wssis.streaming.table import read_rows

COLUMNS = ["image_id", "annotation_id", "rough", "refined", "label", "area"]

logger = logging.getLogger(__name__)


def trial(run: Run, data: Artifact, by: InstanceLabeller) -> Artifact:
    """Label the audit images: `rows/`."""
    says = "Let the student draw the masks of the audit images"
    return run.stream("trial", says, [data.part(AUDIT)], by)


def draws_better(data: Artifact, tried: Artifact, labels: Artifact) -> bool:
    """Compare the masks of a trial with those that its teacher drew, and log which are better.

    Without audit images nothing can be compared, and the student goes on.
    """
    before, after = (audited_miou(data, made) for made in (labels, tried))
    if before is None or after is None:
        logger.warning(
            "%s: without audit images nobody knows whether the student draws better masks than its "
            "teacher; it goes on drawing",
            tried.folder.name,
        )
        return True
    better = after > before
    logger.info(
        "%s: on the audit images, the student's masks have an mIoU of %.1f, its teacher's %.1f, so "
        "the %s draws on",
        tried.folder.name,
        after,
        before,
        "student" if better else "teacher",
    )
    return better


def audited_miou(data: Artifact, made: Artifact) -> float | None:
    """Return the mIoU of the better kind of masks, rough or refined, of the audit images, in
    percent; None without any."""
    truth = {record.image_id: record for record in Records.read(data / AUDIT)}
    rows = read_rows(made / ROWS, COLUMNS, source=AUDIT.partition(".")[0])
    audit = Audit.of(rows, truth)
    known = audit.is_known
    return percent(audit.ious(better_masks(audit))[known]) if known.any() else None
