"""The choice among refiners: maps of scores and the image below them in, better maps out."""

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from upath import UPath

from ray_wssis.methods.cam.affinity.walk import LearntWalk
from ray_wssis.methods.cam.config import CRF, PAMR, Graph, Policy, Refinement, Walk, Walker
from ray_wssis.methods.cam.refiners import crf, graph, pamr, walker
from ray_wssis.models.device import best_device

Refine = Callable[
    [Float[Tensor, "K H W"], UInt8[np.ndarray, "H W 3"]],  # maps of the classes it may show, image
    Float[Tensor, "K H W"],
]


def refiner_of(how: Refinement | None, policy: Policy, affinity: str | None) -> Refine | None:
    """Return the refiner of this name; a walk has its network in the folder `affinity`."""
    match how:
        case None:
            return None
        case PAMR():
            return lambda maps, image: pamr.refine(
                maps, colours(image, maps), how.iterations, how.dilations
            )
        case Graph():
            return lambda maps, image: graph.refine(maps, colours(image, maps), how, policy)
        case CRF():
            return lambda maps, image: crf.refine(maps, colours(image, maps), how, policy.threshold)
        case Walker():
            return lambda maps, image: torch.from_numpy(
                walker.refine(maps.cpu().numpy(), image, policy)
            ).to(maps.device)
        case Walk():
            assert affinity is not None  # a recipe without such a network refuses the walk
            learnt = LearntWalk.load(UPath(affinity), best_device())
            return lambda maps, image: learnt.refine(maps, image, how, policy.threshold)


def colours(image: UInt8[np.ndarray, "H W 3"], maps: Tensor) -> Float[Tensor, "3 H W"]:
    """Return the colours of an image, 0..255, where the maps are."""
    return torch.from_numpy(image).to(maps.device).permute(2, 0, 1).float()
