"""The soft dice loss of MaskRefineNet (PointWSSIS, arXiv:2303.15062).

Legend: B crops, H W pixels of a crop.
"""

import torch
from jaxtyping import Float, Shaped
from torch import Tensor


def soft_dice_loss(
    logits: Float[Tensor, "B 2 H W"], truth: Shaped[Tensor, "B H W"]
) -> Float[Tensor, ""]:
    """Return 1 - the mean dice of background and foreground, each summed over all crops.

    Channel 1 of `logits` is foreground; `truth` is 0 or 1.  A class that is neither in the truth
    nor predicted has dice 0, so a batch without any foreground pixel costs 0.5.
    """
    probability = logits.float().softmax(dim=1)  # (B, 2, H, W)
    wanted = torch.stack([1 - truth.float(), truth.float()], dim=1)  # (B, 2, H, W)
    overlap = (probability * wanted).sum(dim=(0, 2, 3))  # (2,)
    sizes = probability.sum(dim=(0, 2, 3)) + wanted.sum(dim=(0, 2, 3))  # (2,)
    return 1 - (2 * overlap / (sizes + 1e-7)).mean()
