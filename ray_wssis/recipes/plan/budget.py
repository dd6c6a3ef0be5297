"""Steps from a time budget: what a step and a validated image take here, and what is left.

Stages without steps (labelling, evaluation, validations, starting processes) are taken off first.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from ray_wssis.instance.fingerprint.fingerprint import Fingerprint
from ray_wssis.instance.split import AUDIT, TAUGHT, WEAK
from ray_wssis.recipes.plan.decision import Decision
from ray_wssis.recipes.plan.schedule import FEWEST, Steps, round_steps, untimed
from ray_wssis.recipes.point_wssis_config import PointWSSISConfig
from ray_wssis.recipes.point_wssis_estimate import seconds
from ray_wssis.training.timing import Timing

USED = 0.9  # of the time; the quickest steps are timed, and others are slower
LEAST_TRAINED = 0.4  # of the time goes into steps, however long the other stages take
SHARES = {"teacher": 0.36, "refiner": 0.14, "student": 0.5}  # about those of configs/
ENOUGH = 400  # steps that are never too many
MOST_PASSES = {"teacher": 300, "refiner": 100, "student": 100}  # over images, or masks


@dataclass(frozen=True, kw_only=True)
class Budget:
    steps: Steps
    minutes: float  # that the run will take
    warnings: tuple[str, ...]


def share_time(
    config: PointWSSISConfig,
    numbers: Mapping[str, int],
    timings: Mapping[str, Timing],
    found: Fingerprint,
    minutes: float,
) -> Budget:
    """Share out the time that other stages leave among the trainings.

    `timings` holds the refiner, and a segmenter, of which a step takes as long for teacher and
    student.  What is ready needs no steps.
    """
    known = for_each(config, timings)
    still = {name: Timing(0.0, timing.validated) for name, timing in known.items()}
    other = sum(seconds(config, numbers, still).values())
    asked = 60 * minutes
    left = max(USED * asked - other, LEAST_TRAINED * asked)
    warnings = []
    if USED * asked - other < LEAST_TRAINED * asked:
        warnings.append(
            f"labelling, evaluation and other stages without steps take {other / 60:.0f} min, so "
            f"the run will take longer than {minutes:g} min; give more --minutes"
        )
    if not config.labeller.is_trained:
        warnings.append(
            f"how fast {config.labeller.name} labels {numbers[AUDIT] + numbers[WEAK]} images is "
            "not known, so the run takes longer by that"
        )
    steps: dict[str, Decision] = {}
    spare = 0.0
    parts = {name: SHARES[name] for name in SHARES if name in known}
    times = {name: 2 if name == "student" and config.upper_bound else 1 for name in parts}
    whole = sum(parts[name] * times[name] for name in parts) or 1
    for name in parts:
        given = parts[name] / whole * left + (spare / times[name] if name == "student" else 0)
        number, why = choose_steps(name, given, known[name].step, config, numbers, found)
        spare += max(0.0, given - number * known[name].step)
        if number == FEWEST:
            warnings.append(
                f"{name}: {number} steps are too few to learn much, give more --minutes"
            )
        steps[name] = Decision(number, why)
    took = other + sum(times[name] * int(steps[name].value) * known[name].step for name in steps)
    return Budget(
        steps=replace(
            untimed(minutes), **steps, seconds={name: timing.step for name, timing in known.items()}
        ),
        minutes=took / 60,
        warnings=tuple(warnings),
    )


def for_each(config: PointWSSISConfig, timings: Mapping[str, Timing]) -> dict[str, Timing]:
    """Return a timing for each stage that trains."""
    segmenter = timings.get("teacher") or timings.get("student")
    each = {"teacher": segmenter, "refiner": timings.get("refiner"), "student": segmenter}
    return {
        name: timing
        for name, timing in each.items()
        if timing is not None and name in trained(config)
    }


def to_be_timed(config: PointWSSISConfig) -> list[str]:
    """Name the stages of which a step should be timed."""
    training = trained(config)
    return [name for name in training if name != "student" or "teacher" not in training]


def trained(config: PointWSSISConfig) -> list[str]:
    """Name the stages that train a network."""
    stages = config.trainings()
    return [name for name in SHARES if name in stages and stages[name].ready is None]


def choose_steps(
    name: str,
    given: float,
    step: float,
    config: PointWSSISConfig,
    numbers: Mapping[str, int],
    found: Fingerprint,
) -> tuple[int, str]:
    """Return the steps that fit into `given` seconds, and why so many.

    Few data are not shown more often than helps.
    """
    batch = getattr(config, name).training.batch_size
    shown = {
        "teacher": numbers[TAUGHT],
        "refiner": found.num_masks,
        "student": numbers[TAUGHT] + numbers[AUDIT] + numbers[WEAK],
    }[name]
    fitting = round_steps(given / step)
    most = max(ENOUGH, round_steps(MOST_PASSES[name] * shown / batch))
    passes = f"{min(fitting, most) * batch / shown:.0f} passes over {shown} "
    passes += "masks" if name == "refiner" else "images"
    if fitting > most:
        return most, f"{passes}: more would not help"
    number = max(FEWEST, fitting)
    return number, f"{given / 60:.1f} min at {step:.2g} s a step; {passes}"
