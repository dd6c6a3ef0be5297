"""Scores of classes walk where a trained AffinityNet lets them (arXiv:1803.10464, section 3.4).

The background walks too: its score of (1 - s)^a, where s is the highest one of the classes, has the
power a that the threshold of the policy stands for.

Differs from the paper: what is left of a score is its share in those of all classes and the
background, so that a threshold still decides.

Legend: B images, K classes, D channels, H W network pixels, h w cells.
"""

from collections.abc import Sequence
from math import log

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from upath import UPath

from ray_wssis.methods.cam.affinity.network import AffinityNet, feature_affinity
from ray_wssis.methods.cam.config import AFFINITY_KIND, AffinityModel, Walk
from ray_wssis.models.affinity_walk import chances, walk
from ray_wssis.models.at_work import run_on_images
from ray_wssis.models.backbone_config import as_saved
from ray_wssis.models.model_folder import load_weights, read_description
from ray_wssis.semantic.segmenter import to_size

SMALL = 1e-12


class LearntWalk:
    def __init__(self, network: AffinityNet, radius: int) -> None:
        self.network = network
        self.radius = radius

    @classmethod
    def load(cls, folder: UPath, device: torch.device) -> "LearntWalk":
        description = read_description(folder, AFFINITY_KIND)
        model = AffinityModel.model_validate(description["config"])
        network = AffinityNet(as_saved(model.network))
        load_weights(folder, network)
        return cls(network.to(device).eval(), model.radius)

    @torch.inference_mode()
    def features(
        self, images: Sequence[UInt8[np.ndarray, "_ _ 3"]]
    ) -> list[Float[Tensor, "D h w"]]:
        """Compute the features of each image, of network size."""
        seen: Tensor = run_on_images(self.network, self.network, images, self.network.mean.device)
        stride = self.network.stride
        return [
            own[:, : -(-image.shape[0] // stride), : -(-image.shape[1] // stride)].float()
            for own, image in zip(seen, images, strict=True)
        ]

    def refine(
        self,
        maps: Float[Tensor, "K H W"],
        image: UInt8[np.ndarray, "H W 3"],
        config: Walk,
        threshold: float,
    ) -> Float[Tensor, "K H W"]:
        """Refine maps of scores, 0..1: the share of each class."""
        features = self.features([image])[0]
        cells = (features.shape[-2], features.shape[-1])
        affinity = feature_affinity(features, self.radius)
        steps_to = chances(affinity, *cells, self.radius, config.power)
        walked = walk(to_size(with_background(maps, threshold), cells), steps_to, config.steps)
        shares = walked / walked.sum(dim=0).clamp(min=SMALL)
        return to_size(shares[1:], (maps.shape[-2], maps.shape[-1]))


def with_background(maps: Float[Tensor, "K H W"], threshold: float) -> Float[Tensor, "K_and_1 H W"]:
    """Put the score of the background before those of the classes; at the threshold both are
    equal."""
    power = log(threshold) / log(1 - threshold)
    background = (1 - maps.amax(dim=0)).clamp(min=0) ** power
    return torch.cat([background[None], maps])
