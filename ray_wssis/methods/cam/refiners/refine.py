"""The choice among refiners: maps of scores and the image below them in, better maps out."""

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from ray_wssis.methods.cam.config import CRF, PAMR, Graph, Policy, Refinement, Walker
from ray_wssis.methods.cam.refiners import crf, graph, pamr, walker


def refine(
    maps: Float[Tensor, "K H W"],
    image: UInt8[np.ndarray, "H W 3"],
    how: Refinement,
    policy: Policy,
) -> Float[Tensor, "K H W"]:
    """Refine the maps of the classes that an image may show."""
    colours = torch.from_numpy(image).to(maps.device).permute(2, 0, 1).float()
    match how:
        case PAMR():
            return pamr.refine(maps, colours, how.iterations, how.dilations)
        case Graph():
            return graph.refine(maps, colours, how, policy)
        case CRF():
            return crf.refine(maps, colours, how, policy.threshold)
        case Walker():
            refined = walker.refine(maps.cpu().numpy(), image, policy)
            return torch.from_numpy(refined).to(maps.device)
