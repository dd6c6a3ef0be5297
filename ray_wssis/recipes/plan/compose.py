"""The configuration of PointWSSIS for a data set, every value with its reason."""

import math
from dataclasses import dataclass

from ray_wssis.instance.fingerprint.fingerprint import Fingerprint
from ray_wssis.instance.fingerprint.measured import Measured
from ray_wssis.instance.segmenter_config import TEACHER
from ray_wssis.recipes.plan.decision import Decision, Tree, again
from ray_wssis.recipes.plan.levels import choose_levels
from ray_wssis.recipes.plan.machine import Machine
from ray_wssis.recipes.plan.networks import (
    Widths,
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
ALIKE = "as the teacher's"


@dataclass(frozen=True, kw_only=True)
class Known:
    """Facts that a plan is made from."""

    data: Tree  # what was given, and what the file with the masks decides
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
    batch = segmenter_batch(found, size, machine)
    model: Tree = {
        "network": segmenter_network(backbone, levels.grids, widths),
        "scale_ranges": levels.teacher,
        **size.tree,
        "inference": inference(found),
    }
    seen = augment(found, size, Decision(*known.turn), choose_flip(known.pairs))
    seconds = steps.seconds
    return {
        "recipe": Decision("point_wssis", "masks of objects on some images, points on the others"),
        "seed": Decision(known.seed, "of the split and the trainings"),
        "data": data_section(known.data, found),
        "teacher": {
            "model": model,
            "augment": seen,
            "training": segmenter_training(
                steps.teacher, batch, widths, found, seconds.get("teacher"), is_teacher=True
            ),
        },
        "refiner": refiner_section(
            refiner_model(found, backbone, widths, machine), seen, widths, found, steps
        ),
        "student": {
            "model": again(model, ALIKE) | {"scale_ranges": levels.student},
            "start": Decision(TEACHER, "a cold student needs many more steps to overtake it"),
            "augment": again(seen, ALIKE),
            "training": segmenter_training(
                steps.student, batch, widths, found, seconds.get("student"), is_teacher=False
            ),
        },
        "training_workers": {"number": Decision(1, machine.name)},
        "labelling_workers": labelling(size.shorter**2 * found.aspect, machine),
    }


def refiner_section(
    model: Tree, seen: Tree, widths: Widths, found: Fingerprint, steps: Steps
) -> Tree:
    """Compose the refiner, which sees images turned and flipped as the teacher does."""
    crop = model["crop_size"]
    assert isinstance(crop, Decision)
    batch = refiner_batch(int(crop.value))
    return {
        "model": model,
        "augment": again({key: seen[key] for key in ("flip", "turn", "colour")}, ALIKE)
        | {"rough_noise": Decision(0.5, "half of the few rough masks are changed each time")},
        "training": refiner_training(
            steps.refiner, batch, widths, found, steps.seconds.get("refiner")
        ),
    }


def data_section(known: Tree, found: Fingerprint) -> Tree:
    """Choose the share of the masks that audit, unless it was given."""
    section = dict(known)
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
