"""One image drawn: activation maps and fields become a class map and instances.

IRNet (arXiv:1904.05044, section 5).  Scores on a boundary do not start to walk.

Legend: K classes, h w cells, H W pixels.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, UInt8
from torch import Tensor

from ray_wssis.methods.irn.affinity import boundary_affinity
from ray_wssis.methods.irn.centroids import grouped
from ray_wssis.methods.irn.config import IRNetLabels
from ray_wssis.methods.irn.fields import Seen
from ray_wssis.methods.irn.instances import Instance, choose, find_instances, highest_is_1
from ray_wssis.models.affinity_walk import chances, walk
from ray_wssis.semantic.segmenter import FULL_CONFIDENCE, to_size


class Drawing(NamedTuple):
    class_map: UInt8[np.ndarray, "H W"]  # labels
    confidence: UInt8[np.ndarray, "H W"]  # share of the label's score in all scores, times 255
    instances: list[Instance]  # the surest first


def draw(
    maps: Float[Tensor, "K _ _"],
    seen: Seen,
    size: tuple[int, int],
    background: int | None,
    config: IRNetLabels,
) -> Drawing:
    """Draw an image of `size` (height, width) from activation maps, 0..1, of any size.

    `background` is a label; without such a class every pixel gets one of the others.
    """
    height, width = seen.boundary.shape
    own = (maps.flatten(1).amax(dim=1) > 0).nonzero().flatten().tolist()
    scores = maps.new_zeros((0, height, width))
    if own:
        scores = to_size(maps[own], (height, width)) * (1 - seen.boundary)
    settings = config.walk
    affinity = boundary_affinity(seen.boundary, settings.radius)
    steps_to = chances(affinity, height, width, settings.radius, settings.power)
    walked = highest_is_1(walk(scores, steps_to, settings.steps))
    floor = settings.background if background is not None else 0.0
    pixels = choose(walked, size, floor)
    fallback = own[0] if background is None and own else background or 0
    labels = np.array([*own, fallback], np.uint8)[pixels.choice]
    groups = grouped(seen.displacement, config.instances.short)
    found = find_instances(scores, own, groups, steps_to, settings.steps, size, config.instances)
    confidence = (FULL_CONFIDENCE * pixels.share).round().astype(np.uint8)
    return Drawing(labels, confidence, found)
