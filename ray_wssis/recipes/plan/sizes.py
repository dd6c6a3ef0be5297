"""The size at which the network sees images, and what the augmentation does to it."""

import math
from dataclasses import dataclass

from ray_wssis.instance.fingerprint.fingerprint import Fingerprint
from ray_wssis.models.solov2_config import PADDING_MULTIPLE
from ray_wssis.recipes.plan.decision import Decision, Tree
from ray_wssis.recipes.plan.machine import Machine

SMALL = 12  # network pixels that small objects should have
MEDIUM = 110  # network pixels that are enough for the medium object
MOST_ENLARGED = 1.5  # an image does not gain more than its pixels hold
CPU_PIXELS = 320 * 320  # of an image, for half an hour on two CPUs
CPU_FACTORS = 0.5, 3.0  # bounds of what another time or machine changes in that
GPU_PIXELS = 512 * 768
LARGE_GPU_PIXELS = 800 * 1333
TINY_PIXELS = 180 * 180  # of an image of which twice as many make a batch
SMALLEST_SIDE = 96
LARGEST_ASPECT = 5 / 3  # of images that are not shrunk more than others


@dataclass(frozen=True, kw_only=True)
class NetworkSize:
    shorter: int
    longest: int
    why: str

    @property
    def tree(self) -> Tree:
        """The keys of a model configuration."""
        return {
            "shorter": Decision(self.shorter, self.why),
            "longest": Decision(self.longest, "the widest images are shrunk to this"),
        }


def choose_size(found: Fingerprint, machine: Machine, minutes: float) -> NetworkSize:
    """Choose sides so that small objects are seen and the time suffices for enough steps."""
    enlarge = SMALL / found.small
    wanted = max(enlarge, min(1.0, MEDIUM / found.medium))
    side = found.shorter * min(wanted, MOST_ENLARGED)
    most = math.sqrt(most_pixels(machine, minutes) / found.aspect)
    shorter = max(SMALLEST_SIDE, rounded(min(side, most)))
    if side > most:
        reason = f"{machine.name} and {minutes:g} min allow no more"
    elif shorter > found.shorter:
        reason = "enlarged for the small objects"
    elif wanted < 1:
        reason = "enough for objects of this size"
    else:
        reason = "about as the images are"
    scale = shorter / found.shorter
    return NetworkSize(
        shorter=shorter,
        longest=rounded_up(shorter * max(1.0, min(found.widest, LARGEST_ASPECT))),
        why=f"{reason}: images have {found.shorter:.0f}, objects of {found.small:.0f} / "
        f"{found.medium:.0f} pixels become {found.small * scale:.0f} / {found.medium * scale:.0f}",
    )


def most_pixels(machine: Machine, minutes: float) -> float:
    """Return the pixels of an image that leave time for enough steps, or fit into the memory."""
    if machine.gpu_gib:
        return LARGE_GPU_PIXELS if machine.has_large_gpu else GPU_PIXELS
    low, high = CPU_FACTORS
    work = machine.cpus * minutes / (2 * 30)
    return CPU_PIXELS * min(max(math.sqrt(work), low), high)


def augment(found: Fingerprint, size: NetworkSize, turn: Decision, flip: Decision) -> Tree:
    """Choose crops, and sides so that objects are as large in training as in use."""
    share = found.medium / found.shorter
    crop = 0.6 if share < 0.12 else 0.7
    middle = size.shorter * (1 + crop) / 2
    sides = sorted({max(64, rounded(middle * factor)) for factor in (0.875, 1.0, 1.125)})
    longest = rounded_up(sides[-1] * size.longest / size.shorter)
    return {
        "shorter": Decision(
            sides, f"crops then show objects as large as {size.shorter} shows them in whole images"
        ),
        "longest": Decision(longest, "the same aspect as above"),
        "flip": flip,
        "turn": turn,
        "min_crop": Decision(crop, f"a medium object is {100 * share:.0f} % of the shorter side"),
        "colour": Decision(0.3, "few images: light and contrast vary more than they show"),
    }


def rounded(side: float) -> int:
    """Round to the multiple of the padding that is nearest."""
    return max(1, round(side / PADDING_MULTIPLE)) * PADDING_MULTIPLE


def rounded_up(side: float) -> int:
    return math.ceil(side / PADDING_MULTIPLE - 1e-9) * PADDING_MULTIPLE
