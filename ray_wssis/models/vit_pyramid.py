"""Plain vision transformers as backbones of instances: the simple feature pyramid of ViTDet.

"Exploring Plain Vision Transformer Backbones for Object Detection" (arXiv:2203.16527), section 3:
a plain transformer has features of one stride, and maps of the other strides are made from its
last one alone, by transposed convolutions and pooling.

Differs from the paper: attention is global in every block; the four maps go through the same
top-down path as those of other backbones; and where the side of a patch is no power of two (14),
the image is resized so that a patch is one of 16 of its pixels.

Legend: B images, H W padded input pixels, p pixels of a patch's side, D channels of a token.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import interpolate

from ray_wssis.models.backbone import FEATURE_STRIDES
from ray_wssis.models.backbone_config import BackboneConfig
from ray_wssis.models.dpt_config import ViTConfig
from ray_wssis.models.vision import LayerNorm2d, timm
from ray_wssis.models.vit import create_vit

MODULES = ("vision_transformer", "eva", "deit")  # of timm, with plain vision transformers
STRIDES = (8, 16, 32)  # that tokens can have


class ViTPyramid(nn.Module):
    """Normalised pixels -> features at strides 4, 8, 16 and 32."""

    def __init__(self, config: BackboneConfig) -> None:
        super().__init__()
        if config.stride_in_1x1:
            raise ValueError(f"backbone {config.name}: stride_in_1x1 is for ResNets")
        self.body = create_vit(ViTConfig(name=config.name, weights=config.weights))
        self.body.prune_intermediate_layers(1, prune_head=True)
        self.patch: int = self.body.patch_embed.patch_size[0]
        self.stride = min(STRIDES, key=lambda stride: abs(math.log(stride / self.patch)))
        width: int = self.body.embed_dim
        scales = [self.stride // stride or -(stride // self.stride) for stride in FEATURE_STRIDES]
        self.resized = nn.ModuleList(resizing(width, scale) for scale in scales)
        self.num_channels = [width // max(1, scale) for scale in scales]
        self.frozen = config.frozen
        if config.frozen:
            self.body.requires_grad_(False)
        elif config.frozen_stages:
            self.body.patch_embed.requires_grad_(False)

    def train(self, mode: bool = True) -> "ViTPyramid":
        super().train(mode)
        self.body.train(mode and not self.frozen)
        return self

    def forward(self, pixels: Float[Tensor, "B 3 H W"]) -> list[Float[Tensor, "B _ _ _"]]:
        """Compute four maps, H / stride by W / stride; H and W are multiples of 32.

        Position embeddings are resized to the number of patches.
        """
        if self.patch != self.stride:
            size = [side // self.stride * self.patch for side in pixels.shape[-2:]]
            pixels = interpolate(pixels, size=size, mode="bilinear", align_corners=False)
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
            (last,) = self.body.forward_intermediates(
                pixels, indices=1, norm=True, intermediates_only=True
            )
        return [resize(last) for resize in self.resized]


def resizing(width: int, scale: int) -> nn.Module:
    """Make what brings a map to `scale` times its size, or to a part of it for a negative one.

    Each doubling halves the number of channels.
    """
    if scale < 0:
        return nn.MaxPool2d(-scale)
    layers: list[nn.Module] = []
    for doubling in range(scale.bit_length() - 1):
        wide = width >> doubling
        if doubling:
            layers += [LayerNorm2d(wide), nn.GELU()]
        layers.append(nn.ConvTranspose2d(wide, wide // 2, 2, stride=2))
    return nn.Sequential(*layers)


def is_vit(name: str) -> bool:
    """Tell whether timm knows a network of this name as a plain vision transformer."""
    return bool(timm.is_model(name) and timm.models.is_model_in_modules(name, MODULES))
