"""Advice on what to do next, from the figures of a run that call for something.

Every piece says what was seen, with figures, and what to do, with the setting or the command in
backticks.  It is made from the run folder alone.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml
from upath import UPath

from ray_wssis.instance.report_classes import num_true, read_confusion
from ray_wssis.instance.report_labellers import better_zero_shot
from ray_wssis.models.model_folder import worse_student
from ray_wssis.report.run_folder import RunFolder, read_counts, read_json
from ray_wssis.report.wording import show_count

HARDLY = 0.5  # AP by which a student must be better than its teacher
POOR_SHARE = 20  # % of the masks
LOST_SHARE = 1  # % of the points
FEW_MASKS = 10  # of a class
FEW_OBJECTS = 30  # of the audit
FEW_VALIDATED = 50  # objects of the validation images
CONFUSED, CONFUSED_SHARE = 5, 20  # objects of a class that were taken for another, and in %
BOUND_SHARE = 85  # % of the upper bound
MOST_NAMES = 5  # of classes in a sentence

POLICIES = {  # `merge.below` -> what happens to poor masks
    "ignore": "the student learns them neither as objects nor as background",
    "drop": "they are left out, so the student learns their places as background",
    "keep": "the student learns them like all others",
    "auto": "the student ignores those that are surely below and learns the others",
}


@dataclass(frozen=True, kw_only=True)
class Advice:
    """One thing that was seen, and one thing to do about it; a sentence each."""

    seen: str
    do: str


@dataclass(frozen=True, kw_only=True)
class Facts:
    """Facts of a run folder; what it lacks is empty."""

    run: RunFolder
    audit: Mapping[str, Any]
    counts: Mapping[str, Any]  # of the split
    config: Mapping[str, Any]

    @classmethod
    def read(cls, run: RunFolder) -> "Facts":
        return cls(
            run=run,
            audit=read_json(run.folder / "audit/audit.json"),
            counts=read_counts(run.folder),
            config=yaml.safe_load(run.config) or {},
        )

    def setting(self, path: str) -> Any:
        """Return the value of a configuration key such as `merge.below`; None without it."""
        value: Any = self.config
        for key in path.split("."):
            value = value.get(key) if isinstance(value, Mapping) else None
        return value

    def named(self, path: str) -> str:
        """Name a configuration key with its value: `student.training.steps`, now 450."""
        value = self.setting(path)
        return f"`{path}`" if value is None else f"`{path}`, now {value}"

    def redo(self, change: str | None = None) -> str:
        """Write the command that makes the run again, with one value changed."""
        changed = f" --set {change}" if change else ""
        return f"`wssis run --out {self.run.folder} --redo{changed}`"


def advise(folder: UPath) -> list[Advice]:
    """Give advice on the run in `folder`: what guards said first, then single figures.

    Nothing is advised about a run that did not turn points into masks.
    """
    facts = Facts.read(RunFolder.read(folder))
    if facts.setting("recipe") not in (None, "point_wssis"):
        return []
    return [
        *labeller(facts),
        *student(facts),
        *refiner(facts),
        *poor_masks(facts),
        *lost_points(facts),
        *few_masks(facts),
        *confused(facts),
        *class_drift(facts),
        *bound(facts),
        *few_audited(facts),
        *few_validated(facts),
    ]


def labeller(facts: Facts) -> Iterator[Advice]:
    """Say if a labeller that nobody trained here draws better masks than the teacher."""
    if (better := better_zero_shot(facts.run.folder)) is None:
        return
    yield Advice(
        seen=f"Zero-shot beats the trained teacher: on the audit images, {better['name']} is "
        f"better by {better['difference']:.1f} mIoU (90 % interval {better['low']:.1f} to "
        f"{better['high']:.1f}).",
        do=f"Let it draw the masks: {facts.redo('labeller=' + better['name'])}.",
    )


def student(facts: Facts) -> Iterator[Advice]:
    """Compare the student with its teacher."""
    before, after = (facts.run.figure(f"{name}/val/AP") for name in ("teacher", "student"))
    if before is None or after is None or after >= before + HARDLY:
        return
    seen = f"The student is hardly better than its teacher: {after:.1f} against {before:.1f} AP."
    if worse_student(facts.run.figures):
        seen = (
            f"The student is worse than its teacher: {after:.1f} against {before:.1f} AP, so "
            "serving and export use the teacher."
        )
    if facts.setting("student.start") != "teacher":
        do = f"Start it from the teacher's weights: {facts.redo('student.start=teacher')}."
    else:
        do = (
            f"Train it for more steps ({facts.named('student.training.steps')}), and look at the "
            "contact sheets: poor masks teach it little."
        )
    yield Advice(seen=seen, do=do)


def refiner(facts: Facts) -> Iterator[Advice]:
    """Compare refined masks with rough ones, by the audit and by hidden true masks."""
    audit = facts.audit.get("audit", {})
    rough, refined = (facts.run.figure(f"pseudo/{kind}/mIoU") for kind in ("rough", "refined"))
    do = (
        f"Train the refiner for more steps ({facts.named('refiner.training.steps')}), or on the "
        f"rough masks of more early teachers ({facts.named('teacher.training.early')})."
    )
    if facts.audit.get("masks") == "rough":
        yield Advice(
            seen="The refiner makes masks worse: on the audit images, mIoU falls from "
            f"{audit['rough_mIoU']:.1f} to {audit['mIoU']:.1f}. So the rough masks are used.",
            do=do,
        )
    elif rough is not None and refined is not None and refined < rough:
        yield Advice(
            seen="The refiner makes masks worse: against the hidden true masks, mIoU falls from "
            f"{rough:.1f} to {refined:.1f}. The audit images did not show it.",
            do=do,
        )


def poor_masks(facts: Facts) -> Iterator[Advice]:
    """Look at the share of the masks that cannot be trusted."""
    weak = facts.audit.get("weak", {})
    share, policy = weak.get("share_below_threshold"), poor_policy(facts)
    if share is None or share < POOR_SHARE:
        return
    corrections = facts.redo("'merge.corrections=[FILE]'")
    yield Advice(
        seen=f"{share:.0f} % of the pseudo masks have an expected IoU below "
        f"{weak['threshold']:g}{'; ' + policy if policy else ''}.",
        do="Correct the worst, which are in `audit/review.json`, and hand them back "
        f"({corrections}), or draw masks in more images.",
    )


def poor_policy(facts: Facts) -> str:
    """Say what happens to poor masks; empty if that is not known."""
    below = facts.setting("merge.below")
    if below not in POLICIES:
        return ""
    return f"{POLICIES[below]} (`merge.below: {below}`)"


def lost_points(facts: Facts) -> Iterator[Advice]:
    """Look at points without a mask and at images that could not be used."""
    weak = facts.audit.get("weak", {})
    lost, points = weak.get("num_without_mask", 0), weak.get("num_points", 0)
    if failed := weak.get("num_failed_images"):
        yield Advice(
            seen=f"{number(failed, 'weak image')} could not be used.",
            do="The reasons are under The run; repair the files, then "
            f"`wssis label --out {facts.run.folder} --retry-failed` and {facts.redo()}.",
        )
    elif points and 100 * lost >= LOST_SHARE * points:
        yield Advice(
            seen=f"{show_count(lost)} of {number(points, 'point')} "
            f"({100 * lost / points:.1f} %) got no mask.",
            do="Look at them on the contact sheets. Tiny objects and objects that share a grid "
            "cell need finer grids (`teacher.model.network.grids`) or larger images "
            "(`teacher.model.shorter`).",
        )


def few_masks(facts: Facts) -> Iterator[Advice]:
    """Look for classes that the teacher has hardly seen."""
    part = facts.counts.get("taught") or facts.counts.get("strong") or {}
    counts: dict[str, int] = part.get("num_instances_per_class", {})
    few = {name: count for name, count in counts.items() if count < FEW_MASKS}
    if few:
        worst = [f"{name} ({few[name]})" for name in sorted(few, key=lambda name: few[name])]
        yield Advice(
            seen=f"{len(few)} of {number(len(counts), 'class', 'classes')} "
            f"{'has' if len(few) == 1 else 'have'} fewer than {FEW_MASKS} masks to learn from: "
            f"{listed(worst)}.",
            do="Draw more masks of them first.",
        )


def confused(facts: Facts) -> Iterator[Advice]:
    """Look for classes that are taken for others."""
    _, counts = read_confusion(facts.run, {"student": "student", "teacher": "teacher"})
    totals = num_true(counts)
    pairs = [
        (true, found, count)
        for (true, found), count in counts.items()
        if true is not None and found is not None and true != found
        if count >= CONFUSED and 100 * count >= CONFUSED_SHARE * totals[true]
    ]
    if pairs:
        pairs.sort(key=lambda pair: -pair[2])
        seen = [f"{true} for {found} ({n} of {totals[true]})" for true, found, n in pairs]
        yield Advice(
            seen=f"Classes are taken for others on the validation images: {listed(seen)}.",
            do="If people can tell them apart by the object alone, draw more masks of both; if "
            "not, make them one class.",
        )


def class_drift(facts: Facts) -> Iterator[Advice]:
    """Look for classes that rarely get masks that can be trusted."""
    weak = facts.audit.get("weak", {})
    if weak.get("class_drift_flag"):
        yield Advice(
            seen=f"Class drift is {weak['class_drift']:.2f}: the masks that can be trusted are of "
            "other classes than the points.",
            do="Look at the figures by class under Trust, and draw more masks of the classes that "
            "have poor ones.",
        )


def bound(facts: Facts) -> Iterator[Advice]:
    """Compare the student with the network that knows all true masks."""
    reached, most = (facts.run.figure(f"{name}/val/AP") for name in ("student", "upper_bound"))
    if reached is None or not most or 100 * reached >= BOUND_SHARE * most:
        return
    yield Advice(
        seen=f"The student reaches {reached:.1f} AP, {100 * reached / most:.0f} % of the "
        f"{most:.1f} that all true masks give.",
        do="Better pseudo masks are worth most here: see which ones are poor on the contact "
        "sheets, and draw masks in more images.",
    )


def few_audited(facts: Facts) -> Iterator[Advice]:
    """Look at how much the expected IoU rests on."""
    if not facts.audit:
        return
    audit = facts.audit["audit"]
    if (objects := audit["num_objects"]) >= FEW_OBJECTS:
        return
    yield Advice(
        seen=f"Only {number(objects, 'object')} on {number(audit['num_images'], 'audit image')} "
        "tell how far to trust the masks."
        if objects
        else "There were no audit images, so no mask has an expected IoU.",
        do=f"Hold out more ({facts.named('data.audit')}), or draw masks in more images.",
    )


def few_validated(facts: Facts) -> Iterator[Advice]:
    """Look at how much AP rests on."""
    objects = sum(
        int(value or 0)
        for name, value in facts.run.figures.items()
        if name.startswith("val/objects/")
    )
    if 0 < objects < FEW_VALIDATED:
        yield Advice(
            seen=f"AP is measured on {number(objects, 'object')}; so few show a difference of "
            "several points by chance.",
            do="Validate on more images (`data.validation`, or `data.validation_percent`).",
        )


def number(count: int, noun: str, several: str | None = None) -> str:
    """Count something: `1 point`, `2 points`."""
    return f"{show_count(count)} {noun if count == 1 else several or noun + 's'}"


def listed(parts: list[str]) -> str:
    """Join the first few parts, and say how many more there are."""
    more = len(parts) - MOST_NAMES
    return ", ".join(parts[:MOST_NAMES]) + (f" and {more} more" if more > 0 else "")
