"""Schedules of the three trainings."""

from dataclasses import dataclass

from ray_wssis.instance.fingerprint.fingerprint import Fingerprint
from ray_wssis.recipes.plan.decision import Decision, Tree
from ray_wssis.recipes.plan.machine import Machine
from ray_wssis.recipes.plan.networks import Widths
from ray_wssis.recipes.plan.sizes import TINY_PIXELS, NetworkSize

LEAST_VALIDATED = 10  # images
VALIDATED_OBJECTS = 400  # by the refiner
SAVED_SECONDS = 45.0  # between checkpoints
FEWEST = 40  # steps


@dataclass(frozen=True, kw_only=True)
class Steps:
    """Steps of the three trainings, why so many, and the seconds that one takes."""

    teacher: Decision
    refiner: Decision
    student: Decision
    seconds: dict[str, float]  # of a step, by training; empty: not timed


GUESSED = {"teacher": 400, "refiner": 400, "student": 500}  # steps of half an hour


def untimed(minutes: float) -> Steps:
    """Guess steps; the network size already depends on the time and the machine."""
    why = f"a guess for {minutes:g} min: no step was timed"
    guesses = {
        name: Decision(max(FEWEST, round_steps(number * minutes / 30)), why)
        for name, number in GUESSED.items()
    }
    return Steps(seconds={}, **guesses)


def segmenter_batch(found: Fingerprint, size: NetworkSize, machine: Machine) -> Decision:
    pixels = size.shorter**2 * found.aspect
    if machine.gpu_gib:
        batch = 16 if machine.gpu_gib >= 40 else 8
        return Decision(batch, f"fits {machine.name}")
    batch = 16 if pixels < TINY_PIXELS else 8
    return Decision(batch, f"images of {pixels / 1000:.0f}k network pixels on {machine.name}")


def refiner_batch(crop: int) -> Decision:
    return Decision(32 if crop <= 64 else 16, f"crops of {crop} pixels")


def segmenter_training(
    steps: Decision,
    batch: Decision,
    widths: Widths,
    found: Fingerprint,
    seconds: float | None,
    *,
    is_teacher: bool,
) -> Tree:
    """Compose the schedule of a teacher or a student."""
    number = int(steps.value)
    early = [max(1, number // 2), max(1, 3 * number // 4)]
    validated = Decision(max(1, min(100, found.num_validation)), "enough to compare two models")
    return {
        **common(steps, batch, widths.rate, widths, seconds),
        "max_validation_images": validated,
        "early": Decision(
            list(dict.fromkeys(early)), "half-trained: their masks err as on weak images"
        )
        if is_teacher
        else Decision([], "only the refiner needs early models, the teacher's"),
    }


def refiner_training(
    steps: Decision, batch: Decision, widths: Widths, found: Fingerprint, seconds: float | None
) -> Tree:
    images = max(LEAST_VALIDATED, min(100, VALIDATED_OBJECTS // max(1, found.crowd)))
    return {
        **common(steps, batch, widths.refiner_rate, widths, seconds),
        "max_validation_images": Decision(
            min(images, max(1, found.num_validation)), f"the median image has {found.crowd} objects"
        ),
        "early": Decision([], "only the teacher needs them"),
    }


def common(
    steps: Decision, batch: Decision, rate: float, widths: Widths, seconds: float | None
) -> Tree:
    number = int(steps.value)
    save, why = max(1, number // 8), "an eighth of the steps"
    if seconds:
        save, why = round_steps(SAVED_SECONDS / seconds), f"about {SAVED_SECONDS:.0f} s apart"
    return {
        "steps": steps,
        "batch_size": batch,
        "optimizer": Decision("adamw", "needs no tuning in few steps"),
        "learning_rate": Decision(rate, f"for {widths.pyramid} channels"),
        "weight_decay": Decision(widths.decay, f"for {widths.pyramid} channels"),
        "warmup_steps": Decision(min(100, number // 10), "a tenth of the steps, 100 at most"),
        "schedule": Decision("cosine", "ends low, whatever the number of steps"),
        "max_grad_norm": Decision(10, "cuts the rare huge gradient"),
        "save_every": Decision(min(number, max(1, save)), why),
        "validate_every": Decision(number, "once, at the end: all time goes into steps"),
    }


def round_steps(number: float) -> int:
    """Round down to two digits, the second one even, so that noise of the clock matters less."""
    if number < 20:
        return max(1, int(number))
    unit = 2
    while unit * 50 <= number:
        unit *= 10
    return int(number / unit) * unit
