"""AffinityNet: features that are alike where two cells belong to the same thing (arXiv:1803.10464,
section 3.3).

Differs from the paper: the three deepest levels of any convolutional network of timm are joined,
there those of a ResNet-38 with a fixed stride of 8; pairs at the border of an image count too.

Legend: B images, D channels, H W canvas pixels, h w cells, P pairs.
"""

from typing import Any

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor, nn
from torch.nn.functional import elu, interpolate

from ray_wssis.methods.cam.config import AffinityConfig
from ray_wssis.models.backbone import (
    create_timm,
    freeze_up_to,
    normalise,
    pixel_statistics,
    probe,
)
from ray_wssis.models.cell_pairs import offsets, seen_from
from ray_wssis.models.vision import freeze_batch_norm_2d


class AffinityNet(nn.Module):
    mean: Tensor
    std: Tensor

    def __init__(self, config: AffinityConfig) -> None:
        """Raises ValueError for a backbone with fewer levels than there are widths."""
        super().__init__()
        backbone = config.backbone
        options = {} if config.output_stride == 32 else {"output_stride": config.output_stride}
        body = create_timm(backbone.name, backbone.weights, **options)
        info: Any = body.feature_info
        strides: list[int] = info.reduction()
        if len(strides) < len(config.widths):
            raise ValueError(
                f"backbone {backbone.name}: it has {len(strides)} levels and widths name "
                f"{len(config.widths)}; choose a convolutional network of timm"
            )
        self.levels = range(len(strides) - len(config.widths), len(strides))
        self.is_channels_last = probe(body, backbone.name, list(self.levels))
        self.is_frozen = backbone.frozen
        if backbone.frozen:
            body.requires_grad_(False)
        elif backbone.frozen_stages:
            first = strides.index(4)
            freeze_up_to(body, info.module_name(first), first)
        self.backbone = freeze_batch_norm_2d(body) if backbone.norm == "frozen" else body
        self.stride = config.stride
        channels = [info.channels()[level] for level in self.levels]
        self.reduce = nn.ModuleList(
            nn.Conv2d(number, width, 1, bias=False)
            for number, width in zip(channels, config.widths, strict=True)
        )
        total = sum(config.widths)
        self.join = nn.Conv2d(total, total, 1, bias=False)
        mean, std = pixel_statistics(backbone.name)
        self.register_buffer("mean", torch.tensor(mean).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(3, 1, 1), persistent=False)

    def train(self, mode: bool = True) -> "AffinityNet":
        super().train(mode)
        self.backbone.train(mode and not self.is_frozen)
        return self

    def forward(
        self, images: UInt8[Tensor, "B 3 H W"], sizes: Int[Tensor, "B 2"]
    ) -> Float[Tensor, "B D h w"]:
        """Compute the features of the cells of RGB canvases, H and W multiples of 32, images top
        left in them.

        `sizes` are height and width of the images.
        """
        levels = self.backbone(normalise(images, sizes, self.mean, self.std))
        size = images.shape[-2] // self.stride, images.shape[-1] // self.stride
        seen = []
        for place, reduce in zip(self.levels, self.reduce, strict=True):
            level = levels[place]
            if self.is_channels_last:
                level = level.permute(0, 3, 1, 2)
            seen.append(interpolate(elu(reduce(level)), size, mode="bilinear"))  # (B, _, h, w)
        return elu(self.join(torch.cat(seen, dim=1)))


def feature_affinity(features: Float[Tensor, "*B D h w"], radius: int) -> Float[Tensor, "*B P"]:
    """Return the exponential of less the mean difference of the features of both cells, 0..1."""
    away = [
        (seen_from(features, offset, (0, 0)) - seen_from(features, offset, offset))
        .abs()
        .mean(dim=-3)
        .flatten(-2)
        for offset in offsets(radius)
    ]
    return torch.exp(-torch.cat(away, dim=-1))
