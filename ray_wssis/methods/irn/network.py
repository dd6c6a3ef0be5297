"""The network of IRNet: where boundaries are, and where each cell's centroid lies.

"Weakly Supervised Learning of Instance Segmentation with Inter-pixel Relations"
(arXiv:1904.05044, section 4.1).  Two small heads see all levels of a frozen classification
network.  One joins the levels side by side; the other joins the coarse ones first and the fine ones
afterwards.

Differs from the paper: any convolutional network of timm may be the backbone, also one with
features finer than the cells.

Legend: B images, H W canvas pixels, h w = H / 4, W / 4 cells.
"""

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor, nn
from torch.nn.functional import interpolate

from ray_wssis.methods.irn.config import IRNetConfig
from ray_wssis.models.aspp import conv_norm_relu
from ray_wssis.models.backbone import (
    create_timm,
    freeze_up_to,
    normalise,
    pixel_statistics,
    probe,
)
from ray_wssis.models.vision import freeze_batch_norm_2d

CELL = 4  # pixels, both sides


@dataclass(frozen=True, kw_only=True)
class IRNetOutput:
    boundary: Float[Tensor, "B h w"]  # logits
    field: Float[Tensor, "B 2 h w"]  # how far down and to the right the centroid lies; cells


class IRNet(nn.Module):
    mean: Tensor
    std: Tensor
    mean_field: Float[Tensor, " 2"]  # of the training images; a field says nothing about it

    def __init__(self, config: IRNetConfig) -> None:
        super().__init__()
        backbone, options = config.backbone, {}
        if config.output_stride < 32:
            options["output_stride"] = config.output_stride
        body = create_timm(backbone.name, backbone.weights, **options)
        info: Any = body.feature_info
        strides: list[int] = info.reduction()
        if CELL not in strides or strides[-1] <= CELL:
            raise ValueError(
                f"backbone {backbone.name}: features at strides {strides}, wanted one at {CELL} "
                "and coarser ones; choose a convolutional network of timm"
            )
        self.is_channels_last = probe(body, backbone.name, list(range(len(strides))))
        self.is_frozen = backbone.frozen
        if backbone.frozen:
            body.requires_grad_(False)
        elif backbone.frozen_stages:
            freeze_up_to(body, info.module_name(strides.index(CELL)), strides.index(CELL))
        self.backbone = freeze_batch_norm_2d(body)
        self.grid = strides.index(CELL)
        self.coarse = [place for place, stride in enumerate(strides) if stride > CELL]
        self.fine = [place for place, stride in enumerate(strides) if stride <= CELL]
        channels, wide = info.channels(), config.displacement_width
        self.boundary_levels = nn.ModuleList(
            conv_norm_relu(number, config.boundary_width, 1, norm="group") for number in channels
        )
        self.boundary = nn.Conv2d(len(channels) * config.boundary_width, 1, 1)
        self.coarse_levels = nn.ModuleList(
            conv_norm_relu(channels[place], wide, 1, norm="group") for place in self.coarse
        )
        self.fine_levels = nn.ModuleList(
            conv_norm_relu(channels[place], wide // 2, 1, norm="group") for place in self.fine
        )
        self.join_coarse = conv_norm_relu(len(self.coarse) * wide, wide, 1, norm="group")
        joined = wide + len(self.fine) * (wide // 2)
        self.join_fine = conv_norm_relu(joined, wide, 1, norm="group")
        self.displacement = nn.Conv2d(wide, 2, 1, bias=False)
        mean, std = pixel_statistics(backbone.name)
        self.register_buffer("mean", torch.tensor(mean).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(3, 1, 1), persistent=False)
        self.register_buffer("mean_field", torch.zeros(2))

    def train(self, mode: bool = True) -> "IRNet":
        super().train(mode)
        self.backbone.train(mode and not self.is_frozen)
        return self

    def forward(self, images: UInt8[Tensor, "B 3 H W"], sizes: Int[Tensor, "B 2"]) -> IRNetOutput:
        """Run the network on RGB canvases, H and W multiples of 32, with an image top left in each.

        `sizes` are height and width of the images.
        """
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.is_frozen):
            levels = self.backbone(normalise(images, sizes, self.mean, self.std))
            if self.is_channels_last:
                levels = [level.permute(0, 3, 1, 2) for level in levels]
        size = levels[self.grid].shape[-2:]
        seen = [reduce(level) for reduce, level in zip(self.boundary_levels, levels, strict=True)]
        boundary = self.boundary(torch.cat([resized(maps, size) for maps in seen], dim=1))
        coarse = [
            reduce(levels[place])
            for reduce, place in zip(self.coarse_levels, self.coarse, strict=True)
        ]
        middle = coarse[0].shape[-2:]
        joined = self.join_coarse(torch.cat([resized(maps, middle) for maps in coarse], dim=1))
        fine = [
            reduce(levels[place]) for reduce, place in zip(self.fine_levels, self.fine, strict=True)
        ]
        maps = torch.cat([resized(level, size) for level in (joined, *fine)], dim=1)
        field = self.displacement(self.join_fine(maps))
        return IRNetOutput(boundary=boundary[:, 0], field=field)


def resized(maps: Float[Tensor, "B D _ _"], size: torch.Size) -> Float[Tensor, "B D _ _"]:
    """Bring a level to the cells; the mean of those it shares with a coarser one."""
    if maps.shape[-2:] == size:
        return maps
    return interpolate(maps, size=size, mode="bilinear", align_corners=False)
