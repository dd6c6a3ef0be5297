"""Cross entropy over the pixels whose label is known.

Legend: B images, K classes, h w pixels of the logits, H W of the labels.
"""

import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor
from torch.nn.functional import cross_entropy, interpolate

from ray_wssis.data.class_maps.png import UNKNOWN
from ray_wssis.models.solov2_loss import across_workers


def pixel_cross_entropy(
    logits: Float[Tensor, "B K h w"],
    labels: UInt8[Tensor, "B H W"],
    weights: Float[Tensor, " B"] | None = None,
) -> Float[Tensor, ""]:
    """Return the mean over all known pixels of all workers; 0 if there are none.

    `weights` are factors for the loss of each image.
    """
    full = interpolate(logits.float(), labels.shape[-2:], mode="bilinear", align_corners=False)
    losses = cross_entropy(full, labels.long(), ignore_index=UNKNOWN, reduction="none")  # (B, H, W)
    known = across_workers((labels != UNKNOWN).sum().float()).clamp(min=1)
    if weights is not None:
        losses = losses * weights[:, None, None]
    return losses.sum() / known


def masked(labels: UInt8[Tensor, "B H W"], inside: Bool[Tensor, "B H W"]) -> UInt8[Tensor, "B H W"]:
    """Make the pixels beyond the images unknown."""
    return torch.where(inside, labels, UNKNOWN)


@torch.no_grad()
def choices(logits: Float[Tensor, "B K h w"], size: torch.Size) -> UInt8[Tensor, "B H W"]:
    """Return the most probable label of each pixel."""
    full = interpolate(logits.float(), size, mode="bilinear", align_corners=False)
    return full.argmax(dim=1).to(torch.uint8)
