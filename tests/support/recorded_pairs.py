"""The positive cells of the recordings, each with the instance that it belongs to."""

from collections.abc import Callable
from typing import Any

import torch

from ray_wssis.models.solov2_targets import Instances
from tests.support.recordings import GRIDS, RANGES


def recorded_pairs(
    recorded: Any, instances: Instances, canvas: tuple[int, int], kind: str
) -> list[tuple[int, int, int]]:
    """All published (image, cell among all levels, instance), in the order of the recording.

    A recording says the mask of a pair and not the instance, and two tiny instances may both have
    an empty mask.  So the instance is also found by position: it is on this level, its centre cells
    hold the cell, and instances come in the order of the annotations.
    """
    may_claim = claims(instances, canvas, kind)
    pairs = []
    for image in range(int(instances.image.max()) + 1):
        mine = torch.nonzero(instances.image == image).flatten().tolist()
        offset = 0
        for level, side in enumerate(GRIDS[kind]):
            cells = recorded[f"cell_of_pair_{image}_{level}"].astype(int)
            masks = torch.from_numpy(recorded[f"mask_of_pair_{image}_{level}"])
            taken: list[tuple[int, int]] = []
            for cell, mask in zip(cells.tolist(), masks, strict=True):
                last = taken[-1][1] if taken else -1
                instance = next(
                    n
                    for n in mine
                    if n >= last
                    and (cell, n) not in taken
                    and may_claim(level, cell, n)
                    and torch.equal(instances.masks[n].bool(), mask.bool())
                )
                taken.append((cell, instance))
            pairs += [(image, offset + cell, instance) for cell, instance in taken]
            offset += side * side
    return pairs


def claims(
    instances: Instances, canvas: tuple[int, int], kind: str
) -> Callable[[int, int, int], bool]:
    """(level, cell, instance) -> may the cell be positive for the instance, boundaries included?"""
    extent = torch.tensor(canvas).flip(0)  # width, height
    scale = instances.box_sizes.prod(dim=1).sqrt()

    def may_claim(level: int, cell: int, instance: int) -> bool:
        low, high = RANGES[kind][level]
        side = GRIDS[kind][level]
        centre = instances.centres[instance] / extent * side  # in cells
        half = 0.1 * instances.box_sizes[instance] / extent * side
        place = torch.tensor([cell % side, cell // side])
        near = (place + 1 >= centre - half - 1e-3) & (place <= centre + half + 1e-3)
        beside = (place - centre.floor()).abs() <= 1 + ((centre - centre.round()).abs() < 1e-3)
        return low <= float(scale[instance]) < high and bool((near & beside).all())

    return may_claim
