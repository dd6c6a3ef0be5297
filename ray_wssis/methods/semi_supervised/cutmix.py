"""Boxes of other images, pasted ("CutMix", arXiv:1905.04899).

Legend: B images, H W pixels.
"""

import math

import torch
from jaxtyping import Bool, Shaped
from torch import Tensor


def draw_boxes(
    num_images: int,
    height: int,
    width: int,
    *,
    area: tuple[float, float],
    aspect: tuple[float, float],
    number: int = 1,
    chance: float = 1.0,
) -> Bool[Tensor, "B H W"]:
    """Mark what each of B H x W images gets from another one.

    A box has a share of the image between the two of `area`, and a height over width between
    those of `aspect`, so far as it fits in; where two of the `number` boxes overlap, the image
    stays.  With probability 1 - `chance` an image gets none.  Draws from torch's generator.
    """
    marks = torch.zeros(num_images, height, width, dtype=torch.bool)
    for image in range(num_images):
        if uniform(0, 1) >= chance:
            continue
        for _ in range(number):
            pixels = uniform(*area) * height * width
            ratio = math.exp(uniform(math.log(aspect[0]), math.log(aspect[1])))
            tall = min(height, max(1, round(math.sqrt(pixels * ratio))))
            wide = min(width, max(1, round(pixels / tall)))
            top = int(uniform(0, height - tall + 1))
            left = int(uniform(0, width - wide + 1))
            marks[image, top : top + tall, left : left + wide] ^= True
    return marks


def mix(
    own: Shaped[Tensor, "B *channels H W"], boxes: Bool[Tensor, "B H W"]
) -> Shaped[Tensor, "B *channels H W"]:
    """Take what the boxes mark from the image that has its place from the other end."""
    marks = boxes if own.ndim == boxes.ndim else boxes[:, None]
    return torch.where(marks, own.flip(0), own)


def uniform(low: float, high: float) -> float:
    return low + (high - low) * float(torch.rand(()))
