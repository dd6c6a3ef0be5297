"""The configuration of PointWSSIS for a data set, every value with its reason."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ray_wssis.instance.fingerprint.fingerprint import Fingerprint
from ray_wssis.instance.fingerprint.measured import Measured
from ray_wssis.instance.segmenter_config import TEACHER
from ray_wssis.recipes.plan.decision import GIVEN, Decision, Tree, again
from ray_wssis.recipes.plan.levels import choose_levels
from ray_wssis.recipes.plan.machine import Machine
from ray_wssis.recipes.plan.networks import (
    choose_backbone,
    choose_widths,
    inference,
    refiner_model,
    segmenter_network,
)
from ray_wssis.recipes.plan.schedule import (
    Steps,
    refiner_batch,
    refiner_training,
    segmenter_batch,
    segmenter_training,
)
from ray_wssis.recipes.plan.sizes import TINY_PIXELS, augment, choose_size

AUDIT_IMAGES = 10  # wanted to measure with
AUDIT_SHARES = 0.1, 0.2  # of the images with masks
MOST_ACTORS = 8


@dataclass(frozen=True, kw_only=True)
class Known:
    """What a plan is made from."""

    data: Mapping[str, Any]  # the values of `data` that were given
    seed: int
    found: Fingerprint
    measured: Measured
    turn: tuple[bool, str]  # whether images have no up, and why
    pairs: int  # of classes that are each other's mirror image
    machine: Machine
    minutes: float


def compose(known: Known, steps: Steps) -> Tree:
    """Decide everything; `steps` alone depend on the speed of this machine."""
    found, machine = known.found, known.machine
    size = choose_size(found, machine, known.minutes)
    levels = choose_levels(known.measured, size)
    widths, backbone = choose_widths(found, size, machine), choose_backbone(machine)
    turn, flip = Decision(*known.turn), choose_flip(known.pairs)
    batch = segmenter_batch(found, size, machine)
    network = segmenter_network(backbone, levels.grids, widths)
    sides, answers = size.tree, inference(found)
    seen = augment(found, size, turn, flip)
    refiner = refiner_model(found, backbone, widths, machine)
    crop = refiner["crop_size"]
    assert isinstance(crop, Decision)
    alike = "as the teacher's"
    return {
        "recipe": Decision("point_wssis", "the only one so far"),
        "seed": Decision(known.seed, "of the split and the trainings"),
        "data": data_section(known.data, found),
        "teacher": {
            "model": {
                "network": network,
                "scale_ranges": levels.teacher,
                **sides,
                "inference": answers,
            },
            "augment": seen,
            "training": segmenter_training(
                steps.teacher, batch, widths, found, steps.seconds.get("teacher"), True
            ),
        },
        "refiner": {
            "model": refiner,
            "augment": {
                "flip": Decision(flip.value, alike),
                "turn": Decision(turn.value, alike),
                "colour": Decision(0.3, alike),
                "rough_noise": Decision(0.5, "half of the few rough masks are changed each time"),
            },
            "training": refiner_training(
                steps.refiner,
                refiner_batch(int(crop.value)),
                widths,
                found,
                steps.seconds.get("refiner"),
            ),
        },
        "student": {
            "model": {
                "network": again(network, alike),
                "scale_ranges": levels.student,
                **again(sides, alike),
                "inference": again(answers, alike),
            },
            "start": Decision(TEACHER, "a cold student needs many more steps to overtake it"),
            "augment": again(seen, alike),
            "training": segmenter_training(
                steps.student, batch, widths, found, steps.seconds.get("student"), False
            ),
        },
        "training_workers": {"number": Decision(1, machine.name)},
        "labelling_workers": labelling(size.shorter**2 * found.aspect, machine),
    }


def data_section(given: Mapping[str, Any], found: Fingerprint) -> Tree:
    """Keep what was given, and choose the share of the audit."""
    section: Tree = {key: Decision(value, GIVEN) for key, value in given.items()}
    low, high = AUDIT_SHARES
    share = min(max(math.ceil(20 * AUDIT_IMAGES / found.num_strong) / 20, low), high)
    section.setdefault(
        "audit",
        Decision(
            round(share, 2),
            f"some {max(1, int(share * found.num_strong))} of {found.num_strong} images with "
            "masks measure how good the pseudo masks are",
        ),
    )
    return section


def choose_flip(pairs: int) -> Decision:
    if pairs:
        return Decision(True, f"{pairs} pairs of left and right classes swap with it")
    return Decision(True, "no class is the mirror image of another by its name")


def labelling(pixels: float, machine: Machine) -> Tree:
    """Choose how the labelling is shared out; it changes no label."""
    batch = 8 if machine.gpu_gib or pixels < TINY_PIXELS else 4
    number = 1 if machine.gpu_gib else max(1, min(MOST_ACTORS, machine.cpus // 2))
    return {
        "number": Decision(number, machine.name),
        "batch_size": Decision(batch, f"images of {pixels / 1000:.0f}k network pixels"),
    }
