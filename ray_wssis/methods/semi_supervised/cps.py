"""Cross pseudo supervision (Chen et al., CVPR 2021, arXiv:2106.01226).

Two networks of one shape, which began with different heads, learn from the strong images, and each
from what the other one sees in all images, or, with CutMix, in two images of which parts are
mixed.  The first one is served.

Differs from the paper: what lies beyond an image is never learnt; with CutMix, an image's partner
is another one of its batch, and the networks look at the images as they are with fixed
statistics.

Legend: B images, n of them strong, K classes, h w pixels of the logits, H W of the labels.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ray_wssis.methods.semi_supervised.config import CPS
from ray_wssis.methods.semi_supervised.cutmix import draw_boxes, mix
from ray_wssis.models.evaluating import evaluating
from ray_wssis.models.semantic_network import SemanticNetwork, create_network
from ray_wssis.semantic.learner import STRONG, parameter_groups
from ray_wssis.semantic.loss import choices, masked, pixel_cross_entropy
from ray_wssis.semantic.samples import Batch
from ray_wssis.semantic.segmenter_config import SemanticConfig

UNLABELLED = "unlabelled"  # stream
BOXES: Any = {"number": 3, "area": (0.25 / 3, 0.5 / 3), "aspect": (0.25, 4.0)}


class CPSLearner(nn.Module):
    """Maps a batch of strong and one of unlabelled images to losses of both networks."""

    def __init__(self, config: SemanticConfig, method: CPS, num_classes: int) -> None:
        super().__init__()
        self.served = create_network(config.network, num_classes)
        self.other = create_network(config.network, num_classes)
        self.method = method

    @property
    def networks(self) -> tuple[SemanticNetwork, SemanticNetwork]:
        return self.served, self.other

    def forward(self, batches: Mapping[str, Batch]) -> dict[str, Tensor]:
        strong, other = batches[STRONG], batches[UNLABELLED]
        n, size = len(strong.images), other.inside.shape[-2:]
        images, inside = other.images, other.inside
        if self.method.cutmix:
            boxes = draw_boxes(*inside.shape, **BOXES).to(inside.device)
            labels = [mix(choices(seen, size), boxes) for seen in self.look(other)]
            images, inside = mix(images, boxes), mix(inside, boxes)
        images = torch.cat([strong.images, images])
        sizes = torch.cat([strong.sizes, other.sizes])
        logits = [network(images, sizes).logits[0] for network in self.networks]  # (B, K, h, w)
        if not self.method.cutmix:  # then the networks teach each other on the strong images too
            labels = [choices(seen, size) for seen in logits]
            inside = torch.cat([strong.inside, inside])
        losses = {
            f"strong_{i + 1}": pixel_cross_entropy(seen[:n], strong.class_maps)
            for i, seen in enumerate(logits)
        }
        return losses | {
            f"cross_{i + 1}": self.method.weight
            * pixel_cross_entropy(seen[-len(inside) :], masked(labels[1 - i], inside))
            for i, seen in enumerate(logits)
        }

    @torch.no_grad()
    def look(self, batch: Batch) -> list[Tensor]:
        """Return what each network sees in images without boxes: (B, K, h, w)."""
        with evaluating(self):
            return [network(batch.images, batch.sizes).logits[0] for network in self.networks]

    def parameter_groups(self) -> dict[str, Iterable[nn.Parameter]]:
        return parameter_groups(self.networks)
