"""Stages of images without any label: propose objects on them, and choose which are learnt."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from upath import UPath

from ray_wssis.artifacts import Artifact, Workspace
from ray_wssis.data.records import Record, Records
from ray_wssis.instance.audit import ROWS_AT_A_TIME
from ray_wssis.instance.audit_figures import Audit
from ray_wssis.instance.label import InstanceLabeller
from ray_wssis.instance.label_config import ProposalsConfig
from ray_wssis.instance.proposals.choice import Choice, Row
from ray_wssis.instance.proposals.compare import claiming, judged, outcome
from ray_wssis.instance.proposals.threshold import class_thresholds
from ray_wssis.instance.quality import QualityModel, held_out, read_column
from ray_wssis.instance.split import AUDIT, TAUGHT, UNLABELLED
from ray_wssis.run import ROWS, Run
from ray_wssis.storage import read_json, write_json
from ray_wssis.streaming.table import each_row, pieces, read_rows

CHOICE = "choice.json"  # of a Choice
FIGURES = "proposals.json"

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Proposals:
    """Objects that a network proposed, and which of them are learnt."""

    rows: Artifact
    chosen: Artifact

    @property
    def choice(self) -> Choice:
        return Choice.from_json(read_json(self.chosen / CHOICE))

    @property
    def are_used(self) -> bool:
        return bool(read_json(self.chosen / FIGURES)["are_used"])


def propose(run: Run, data: Artifact, by: InstanceLabeller) -> Artifact:
    """Propose the objects of the unlabelled and of the audit images: `rows/`."""
    images = [data.part(AUDIT), data.part(UNLABELLED)]
    return run.stream("proposals", "Propose objects on images without any label", images, by)


def choose(
    run: Run, data: Artifact, proposed: Artifact, signals: tuple[str, ...], config: ProposalsConfig
) -> Artifact:
    """Choose by the audit images which proposals are learnt: `choice.json`, `proposals.json`.

    `signals` are the columns of the rows that tell how good a mask is.
    """
    made_from = {
        "split": {part: data.part(part) for part in (TAUGHT, AUDIT)},
        "proposals": proposed,
        "signals": signals,
        "config": config,
    }

    def make(stage: Workspace) -> None:
        truth = {record.image_id: record for record in Records.read(data / AUDIT)}
        taught = Records.read(data / TAUGHT)
        rows = [row for row in read_rows(proposed / ROWS, source=stem(AUDIT)) if not row["error"]]
        choice = fit(rows, truth, taught, signals, config)
        audit = outcome(rows, truth, choice) if rows else None
        used = config.use == "always" or (config.use == "judged" and is_worth_it(audit))
        names = [category.name for category in taught.categories]
        figures = {"are_used": used, "use": config.use, "audit": audit, "num_audited": len(rows)}
        write_json(stage / CHOICE, choice.to_json())
        write_json(stage / FIGURES, figures | count_chosen(proposed / ROWS, choice, names))

    made = run.stage(
        "proposals_audit",
        "Choose by images whose truth is known which proposals are learnt",
        made_from,
        make,
        follows_retry=True,
    )
    report(read_json(made / FIGURES))
    return made


def fit(
    rows: Sequence[Row],
    truth: dict[int, Record],
    taught: Records,
    signals: tuple[str, ...],
    config: ProposalsConfig,
) -> Choice:
    """Choose the thresholds by rows of audit images and their true records, by image id.

    Class scores are compared with whether there is such an object; the expected IoU, where there
    is one, with the IoU.
    """
    num_classes = len(taught.categories)
    label, score, is_right = judged(rows, truth).T
    claimed = [claiming(row, truth[row["image_id"]]) for row in rows]
    model = QualityModel.fit(claimed, truth, taught, signals)
    expected, true = held_out(model, claimed, truth)
    audit = Audit.of(claimed, truth)
    own = audit.label[audit.is_judged][: len(true)]
    return Choice(
        class_scores=tuple(
            class_thresholds(
                label, score, is_right, config.precision, num_classes, config.class_score
            )
        ),
        expected_ious=tuple(
            class_thresholds(own, expected, true, config.mean_iou, num_classes, config.expected_iou)
        ),
        least_score=config.least_score,
        model=model,
    )


def is_worth_it(audit: dict[str, Any] | None) -> bool:
    """Tell whether more objects are learnt rightly than wrongly, be it as background.

    Without audit images nobody knows, and what is sure is learnt.
    """
    return audit is None or audit["num_right"] > audit["num_wrong"] + audit["num_missed"]


def count_chosen(rows: UPath, choice: Choice, names: Sequence[str]) -> dict[str, Any]:
    """Count what becomes of the proposals on unlabelled images, in all and of each class."""
    num_images = num_failed = 0
    counts = np.zeros((3, len(names)), np.int64)  # proposed, learnt, ignored
    for piece in pieces(each_row(rows, source=stem(UNLABELLED)), ROWS_AT_A_TIME):
        num_images += len(piece)
        num_failed += sum(row["error"] is not None for row in piece)
        labels = read_column(piece, "label", np.int64)
        drawn = read_column(piece, "area") > 0
        for own, chosen in zip(counts, (drawn, *choice.decide(piece)), strict=True):
            own += np.bincount(labels[chosen], minlength=len(names))
    return {
        "num_images": num_images,
        "num_failed_images": num_failed,
        "classes": [
            {
                "name": name,
                "num_proposed": int(counts[0, label]),
                "num_learnt": int(counts[1, label]),
                "num_ignored": int(counts[2, label]),
                "class_score": choice.class_scores[label],
                "expected_iou": choice.expected_ious[label],
            }
            for label, name in enumerate(names)
        ],
    }


def report(figures: dict[str, Any]) -> None:
    """Log what the audit says, and whether the proposals are used."""
    audit, number = figures["audit"], sum(own["num_learnt"] for own in figures["classes"])
    if audit is None:
        logger.warning(
            "proposals: there are no audit images, so nobody knows what proposals are worth; "
            "their thresholds are those of the configuration"
        )
    else:
        logger.info(
            "proposals: on the audit images, %d right and %d wrong ones would be learnt, and %d of "
            "%d objects as background",
            *(audit["num_right"], audit["num_wrong"], audit["num_missed"], audit["num_objects"]),
        )
    if figures["num_failed_images"]:
        logger.warning(
            "proposals: %d of %d images without labels cannot be read and are left out",
            *(figures["num_failed_images"], figures["num_images"]),
        )
    if not figures["are_used"]:
        logger.warning(
            "proposals: the %d images without labels are not used%s",
            figures["num_images"],
            "" if figures["use"] == "never" else ", as they would teach more wrong than right",
        )
        return
    logger.info("proposals: %d on %d images are learnt", number, figures["num_images"])


def stem(part: str) -> str:
    """Return the source that rows of a part of the data have."""
    return UPath(part).stem
