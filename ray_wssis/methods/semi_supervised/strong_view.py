"""Changes of colour and sharpness that leave every pixel in its place."""

import torch
from jaxtyping import UInt8
from torch import Tensor
from torchvision.transforms import v2

# As in UniMatch; probabilities, and the largest changes of each.
JITTER = v2.RandomApply([v2.ColorJitter(0.5, 0.5, 0.5, 0.25)], p=0.8)
GREY = v2.RandomGrayscale(p=0.2)
BLUR = v2.RandomApply([v2.GaussianBlur(kernel_size=9, sigma=(0.1, 2.0))], p=0.5)
CHANGES = v2.Compose([JITTER, GREY, BLUR])


def strong_view(images: UInt8[Tensor, "B 3 H W"]) -> UInt8[Tensor, "B 3 H W"]:
    """Change every image in its own way; draws from torch's generator."""
    return torch.stack([CHANGES(image) for image in images])
