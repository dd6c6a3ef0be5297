"""PAMR: maps become constant where the image is (arXiv:2005.08104, section 3.3).

Each pixel's scores become, several times, the mean of those around it, weighted by how alike the
colours are; neighbours lie in rings of growing distance.  Nothing is learnt.

Differs from the paper: a tenth of the deviation is the unit of colour differences, not its square,
so that doubling the contrast of an image changes nothing.

Legend: K classes, P neighbours, H W pixels.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import pad

SHARPNESS = 10  # units per deviation of the colours around a pixel
SMALL = 1e-6


def refine(
    maps: Float[Tensor, "K H W"],
    image: Float[Tensor, "3 H W"],
    iterations: int,
    dilations: Sequence[int],
) -> Float[Tensor, "K H W"]:
    """Refine maps by the image below them."""
    weights = likeness(image, dilations)  # (P, H, W)
    for _ in range(iterations):
        means = torch.zeros_like(maps)
        for weight, shifted in zip(weights, neighbours(maps, dilations), strict=True):
            means.addcmul_(weight, shifted)
        maps = means
    return maps


def likeness(image: Float[Tensor, "3 H W"], dilations: Sequence[int]) -> Float[Tensor, "P H W"]:
    """Compute how alike each pixel and its neighbours look; each pixel's weights add up to 1."""
    around = torch.stack(list(neighbours(image, dilations)))  # (P, 3, H, W)
    deviation = torch.cat([around, image[None]]).std(dim=0)  # (3, H, W)
    units = deviation / SHARPNESS + SMALL
    return (-(around - image).abs() / units).mean(dim=1).softmax(dim=0)  # (P, H, W)


def neighbours(maps: Float[Tensor, "C H W"], dilations: Sequence[int]) -> list[Tensor]:
    """List the maps shifted by each of eight directions and each distance; borders repeat."""
    height, width = maps.shape[-2:]
    shifted = []
    for distance in dilations:
        padded = pad(maps[None], [distance] * 4, mode="replicate")[0]
        for down in range(3):
            for right in range(3):
                if (down, right) != (1, 1):
                    top, left = down * distance, right * distance
                    shifted.append(padded[:, top : top + height, left : left + width])
    return shifted
