"""Dynamic mutual training (Feng et al., Pattern Recognition 2022, arXiv:2004.08514): labels of
another network, weighed by what the student itself believes.

A pixel whose label the student shares weighs p^gamma, where p is the probability that it gives this
label; one of which it is surer to be another weighs nothing; any other one weighs p^gamma too, but
there p is small.

Differs from the paper: both powers are one, as they are in its experiments on PASCAL VOC and
Cityscapes.

Legend: B images, K classes, h w pixels of the logits, H W of the labels.
"""

from collections.abc import Iterable, Mapping

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, interpolate

from ray_wssis.data.class_maps.png import UNKNOWN
from ray_wssis.models.solov2_loss import across_workers
from ray_wssis.semantic.learner import PSEUDO, STRONG, SemanticLearner
from ray_wssis.semantic.loss import pixel_cross_entropy
from ray_wssis.semantic.samples import Batch
from ray_wssis.semantic.segmenter_config import SemanticConfig


class DynamicLearner(nn.Module):
    """Maps a batch of strong images and one with pseudo labels to two losses."""

    def __init__(self, config: SemanticConfig, gamma: float, num_classes: int) -> None:
        super().__init__()
        self.plain = SemanticLearner(config, num_classes)
        self.gamma = gamma

    def forward(self, batches: Mapping[str, Batch]) -> dict[str, Tensor]:
        strong, pseudo = batches[STRONG], batches[PSEUDO]
        images = torch.cat([strong.images, pseudo.images])
        heads = self.plain.network(images, torch.cat([strong.sizes, pseudo.sizes])).logits
        n = len(strong.images)
        learnt = (pseudo.class_maps, pseudo.confidence)
        return {
            STRONG: pixel_cross_entropy(heads[0][:n], strong.class_maps),
            PSEUDO: weighed_cross_entropy(heads[-1][n:], *learnt, self.gamma),
        }

    def parameter_groups(self) -> dict[str, Iterable[nn.Parameter]]:
        return self.plain.parameter_groups()


def weighed_cross_entropy(
    logits: Float[Tensor, "B K h w"],
    labels: UInt8[Tensor, "B H W"],
    confidence: UInt8[Tensor, "B H W"],
    gamma: float,
) -> Float[Tensor, ""]:
    """Return the weighed sum over all known pixels of all workers, divided by their number."""
    full = interpolate(logits.float(), labels.shape[-2:], mode="bilinear", align_corners=False)
    losses = cross_entropy(full, labels.long(), ignore_index=UNKNOWN, reduction="none")  # (B, H, W)
    known = across_workers((labels != UNKNOWN).sum().float()).clamp(min=1)
    return (losses * weights(full, labels, confidence, gamma)).sum() / known


@torch.no_grad()
def weights(
    logits: Float[Tensor, "B K H W"],
    labels: UInt8[Tensor, "B H W"],
    confidence: UInt8[Tensor, "B H W"],
    gamma: float,
) -> Float[Tensor, "B H W"]:
    """Return the weight of each pixel; `confidence` is that of the label, times 255."""
    probability = logits.softmax(dim=1)
    own, choice = probability.max(dim=1)  # (B, H, W)
    wanted = labels.long().clamp(max=logits.shape[1] - 1)  # unknown pixels have no loss
    of_label = probability.gather(1, wanted[:, None])[:, 0]
    is_overruled = (choice != wanted) & (own > confidence.float() / 255)
    return torch.where(is_overruled, 0.0, of_label**gamma)
