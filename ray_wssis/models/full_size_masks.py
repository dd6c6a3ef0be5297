"""Conversion of soft quarter-size masks to run-length masks of the original image.

Legend: N instances, h w mask pixels (a quarter of the padded canvas).
"""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import interpolate

from ray_wssis.masks import encode
from ray_wssis.models.solov2 import MASK_STRIDE

PIXELS_AT_ONCE = 4_000_000  # bounds the memory of any number of instances to some 50 MB


def encode_full_size(
    masks: Float[Tensor, "N h w"],
    network_size: tuple[int, int],
    original_size: tuple[int, int],
    threshold: float,
) -> list[bytes | None]:
    """Encode each mask as run-length counts at the original size; None if it is empty there.

    Sizes are (height, width); `network_size` is the part of the canvas that holds the image.
    """
    if len(masks) == 0:
        return []
    height, width = network_size
    canvas = (masks.shape[-2] * MASK_STRIDE, masks.shape[-1] * MASK_STRIDE)
    largest = max(canvas[0] * canvas[1], original_size[0] * original_size[1])
    counts: list[bytes | None] = []
    for chunk in masks.split(max(1, PIXELS_AT_ONCE // largest)):
        soft = resize(chunk, canvas)[..., :height, :width]  # (n, height, width)
        hard = resize(soft, original_size) > threshold
        counts += [encode(mask) if mask.any() else None for mask in hard.cpu().numpy()]
    return counts


def resize(masks: Float[Tensor, "N _ _"], size: tuple[int, int]) -> Float[Tensor, "N _ _"]:
    if masks.shape[-2:] == torch.Size(size):
        return masks
    return interpolate(masks[None], size=size, mode="bilinear", align_corners=False)[0]
