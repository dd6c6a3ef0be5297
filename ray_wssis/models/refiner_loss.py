"""The soft dice loss of MaskRefineNet (PointWSSIS, arXiv:2303.15062).

Legend: B crops, H W pixels of a crop.
"""

import torch
from jaxtyping import Float, Shaped
from torch import Tensor


def soft_dice_loss(
    logits: Float[Tensor, "B 2 H W"], truth: Shaped[Tensor, "B H W"]
) -> Float[Tensor, ""]:
    """1 - the mean dice of background and foreground, each summed over all pixels of all crops.

    logits (B, 2, H, W), channel 1 is foreground; truth (B, H, W) 0 or 1.  A class that is neither
    in the truth nor predicted has dice 0, so a batch without any foreground pixel costs 0.5.
    """
    probability = logits.float().softmax(dim=1)  # (B, 2, H, W)
    wanted = torch.stack([1 - truth.float(), truth.float()], dim=1)  # (B, 2, H, W)
    together = (probability * wanted).sum(dim=(0, 2, 3))  # (2,)
    each = probability.sum(dim=(0, 2, 3)) + wanted.sum(dim=(0, 2, 3))
    return 1 - (2 * together / (each + 1e-7)).mean()
