"""Changes of colour and sharpness that leave every pixel in its place."""

import torch
from jaxtyping import UInt8
from torch import Tensor
from torchvision.transforms import v2

from ray_wssis.methods.semi_supervised.config import StrongView

BLUR = v2.GaussianBlur(kernel_size=9, sigma=(0.1, 2.0))


def strong_view(images: UInt8[Tensor, "B 3 H W"], config: StrongView) -> UInt8[Tensor, "B 3 H W"]:
    """Change every image in its own way; draws from torch's generator."""
    jitter = v2.ColorJitter(config.brightness, config.contrast, config.saturation, config.hue)
    changes = v2.Compose(
        [
            v2.RandomApply([jitter], p=config.jitter),
            v2.RandomGrayscale(p=config.grey),
            v2.RandomApply([BLUR], p=config.blur),
        ]
    )
    return torch.stack([changes(image) for image in images])
