"""Images of different sizes on one canvas, as the networks see them."""

import numpy as np
import torch
from jaxtyping import Int, UInt8
from torch import Tensor

from ray_wssis.models.solov2_config import PADDING_MULTIPLE


def pad_images(
    images: list[UInt8[np.ndarray, "_ _ 3"]],
) -> tuple[UInt8[Tensor, "B 3 H W"], Int[Tensor, "B 2"]]:
    """Put each image top left on a canvas of zeros; the sizes are height, width."""
    sizes = torch.tensor([image.shape[:2] for image in images])
    height, width = (
        -(-int(side) // PADDING_MULTIPLE) * PADDING_MULTIPLE for side in sizes.amax(dim=0)
    )
    canvas = np.zeros((len(images), height, width, 3), dtype=np.uint8)
    for index, image in enumerate(images):
        canvas[index, : image.shape[0], : image.shape[1]] = image
    return torch.from_numpy(canvas).permute(0, 3, 1, 2).contiguous(), sizes
