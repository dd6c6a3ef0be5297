"""`wssis budget`: what more masks and more points would be worth, and which images are next.

Both are told by the run's own data.  Everything is kept in the folder `budget` of the run; a
training that is finished is not made again.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from upath import UPath

from ray_wssis.artifacts import Artifact, StaleArtifact, open_stage, read_artifact
from ray_wssis.data.records import Records
from ray_wssis.instance.audit import CALIBRATION, read_quality
from ray_wssis.instance.next_images import LABELS, next_images, write_next
from ray_wssis.instance.split import REJECTED, STRONG, WEAK
from ray_wssis.metrics.learning_curve import Gain, LearningCurve
from ray_wssis.models.model_folder import METRICS
from ray_wssis.recipes.labelling_budget.cells import CELLS, Cell, amounts, cell_config, cut
from ray_wssis.recipes.point_wssis import point_wssis
from ray_wssis.recipes.point_wssis_config import PointWSSISConfig
from ray_wssis.run import Run, carry_out
from ray_wssis.storage import read_json, write_json

FOLDER = "budget"  # in that of the run
RESULT = "budget.json"
NEXT = "next_images"  # a folder in it
LISTED = "listed.json"
AP = "student/val/AP"

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Trained:
    """A cell of the curve and what its student reached."""

    cell: Cell
    seed: int
    num_masks: int
    num_points: int
    ap: float


def suggest(folder: UPath, number: int) -> Artifact:
    """Write the images to draw masks for next: `labels.json` and copies of them, in
    `budget/next_images`, or in `next_images_2` if the labels have changed since, and so on.

    What people draw there stays.  Raises ValueError if the run has no labels yet.
    """
    data, labels, audit = (read_artifact(folder / name) for name in ("split", "labels", "audit"))
    made_from = {
        "split": {part: data.part(part) for part in (STRONG, WEAK, REJECTED)},
        "labels": labels,
        "calibration": audit.part(CALIBRATION),
        "number": number,
    }
    for place in range(1, 1000):
        name = NEXT if place == 1 else f"{NEXT}_{place}"
        try:
            made = open_stage(folder / FOLDER / name, made_from, says="List images to label next")
        except StaleArtifact:
            continue  # perhaps somebody's work
        if isinstance(made, Artifact):
            return made
        model = read_quality(audit)
        chosen = next_images(data, labels, model, number)
        write_next(made.folder, chosen, Records.read(data / WEAK).categories, model.masks)
        write_json(made / LISTED, {"num_images": len(chosen)})
        return made.finish(logs=[LABELS])
    raise ValueError(f"{folder / FOLDER} holds a thousand lists; remove some")


def learning_curve(
    folder: UPath, config: PointWSSISConfig, share: Fraction, repeats: int
) -> list[Trained]:
    """Train the cells of the curve, each with `repeats` seeds, or read what is there.

    Raises ValueError for too few images.
    """
    trained = []
    for seed in range(config.seed, config.seed + repeats):
        seeded = config.model_copy(update={"seed": seed})
        place = folder / FOLDER / f"seed_{seed}"
        cuts = cut(Run(seeded, place, redo=True), read_artifact(folder / "split"))
        everything = place / CELLS[0].name
        for number, cell in enumerate(CELLS, start=1):
            logger.info(
                "budget: training %d of %d: %d %% of the masks, %d %% of the points, seed %d",
                *(number, len(CELLS), cell.masks, cell.points, seed),
            )
            drawers = everything if cell.points < 100 and config.labeller.is_trained else None
            own = cell_config(seeded, cuts, cell, share, drawers)
            made = Run(own, place / cell.name, redo=True)
            carry_out(point_wssis(made, own), until="evaluation")
            masks, points = amounts(cuts, cell)
            ap = read_json(made.folder / METRICS)[AP]
            trained.append(
                Trained(cell=cell, seed=seed, num_masks=masks, num_points=points, ap=ap or 0.0)
            )
    return trained


def worth(
    folder: UPath, trained: Sequence[Trained], share: Fraction, masks: int, points: int
) -> dict[str, Any]:
    """Return, and keep, the content of `budget/budget.json`: the trainings, and the gains of more
    masks and of more points.

    AP is in percent; gains have 90 % intervals.
    """
    curve = LearningCurve.fit(
        [each.num_masks for each in trained],
        [each.num_points for each in trained],
        [each.ap for each in trained],
    )
    gains = {"masks": curve.gain(masks, 0), "points": curve.gain(0, points)}
    result = {
        "share": float(share),
        "trainings": [
            {
                "masks": each.num_masks,
                "points": each.num_points,
                "seed": each.seed,
                "AP": each.ap,
            }
            for each in trained
        ],
        "num_masks": curve.num_masks,
        "num_points": curve.num_points,
        "AP_per_doubling": dict(zip(gains, curve.per_doubling, strict=True)),
        "more": {
            kind: {"number": number, "AP": gain.ap, "low": gain.low, "high": gain.high}
            for (kind, gain), number in zip(gains.items(), (masks, points), strict=True)
        },
        "verdict": verdict(curve, gains, masks, points),
    }
    write_json(folder / FOLDER / RESULT, result)
    return result


def verdict(curve: LearningCurve, gains: dict[str, Gain], masks: int, points: int) -> str:
    """Say in sentences what more labels are worth."""
    parts = [
        f"{number:,} more {kind} are worth about {said(gains[kind])}"
        for kind, number in (("masks", masks), ("points", points))
    ]
    sentences = [f"{parts[0]}; {parts[1]}."]
    unsure = [kind for kind, gain in gains.items() if not gain.is_sure]
    if unsure:
        sentences.append(
            f"The gain of more {' and '.join(unsure)} cannot be told from none: --repeats trains "
            "with more seeds, and narrows the interval."
        )
    far = [
        kind
        for kind, more, now in (
            ("masks", masks, curve.num_masks),
            ("points", points, curve.num_points),
        )
        if more > now
    ]
    if far:
        sentences.append(
            f"That would be more than twice the {' and '.join(far)} there are, beyond what the "
            "trainings tell: take it for a guess."
        )
    return " ".join(sentences)


def said(gain: Gain) -> str:
    return f"{gain.ap:+.1f} AP (90 %: {gain.low:+.1f} to {gain.high:+.1f})"
