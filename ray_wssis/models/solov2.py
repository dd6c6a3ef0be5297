"""SOLOv2: instances by location, masks by dynamic convolution (arXiv:2003.10152).

The image is divided into S x S cells on each of five pyramid levels.  A cell is responsible for the
object whose centre falls into it: the class tower says what it is, the kernel tower gives the E
numbers of a 1x1 convolution, and that convolution over one shared map of mask features draws the
mask ("Dynamic and Fast Instance Segmentation": mask kernel and mask feature).

Differs from the paper: masks come from one matrix product of all kernels with the mask features;
widths, number of levels' cells and backbone are free, the defaults are the published ones.

Legend: B images, C classes, L = 5 levels, S cells per grid side, E kernel channels,
H W padded input pixels, h w = H / 4, W / 4.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor, nn
from torch.nn.functional import interpolate

from ray_wssis.models.backbone import Backbone, FeaturePyramid, normalise, pixel_statistics
from ray_wssis.models.solov2_config import SOLOv2Config
from ray_wssis.models.vit_pyramid import ViTPyramid, is_vit

MASK_STRIDE = 4  # input pixels per pixel of the mask features
CLASS_PRIOR = 0.01  # every cell starts as background with this much doubt


@dataclass(frozen=True, kw_only=True)
class SOLOv2Output:
    class_logits: list[Float[Tensor, "B C _ _"]]  # L x (B, C, S, S)
    kernels: list[Float[Tensor, "B E _ _"]]  # L x (B, E, S, S)
    mask_features: Float[Tensor, "B E h w"]

    @property
    def canvas(self) -> tuple[int, int]:
        """Height and width of the padded network input."""
        h, w = self.mask_features.shape[-2:]
        return h * MASK_STRIDE, w * MASK_STRIDE


class SOLOv2(nn.Module):
    mean: Tensor
    std: Tensor

    def __init__(self, config: SOLOv2Config, num_classes: int) -> None:
        super().__init__()
        make = ViTPyramid if is_vit(config.backbone.name) else Backbone
        self.backbone: Backbone | ViTPyramid = make(config.backbone)
        self.pyramid = FeaturePyramid(self.backbone.num_channels, config.pyramid_channels)
        self.instance_head = InstanceHead(config, num_classes)
        self.mask_head = MaskHead(config)
        mean, std = pixel_statistics(config.backbone.name)
        self.register_buffer("mean", torch.tensor(mean).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(3, 1, 1), persistent=False)

    def forward(self, images: UInt8[Tensor, "B 3 H W"], sizes: Int[Tensor, "B 2"]) -> SOLOv2Output:
        """Run the network on RGB canvases, H and W multiples of 32, with an image top left in each.

        `sizes` are height and width of the images.
        """
        pixels = normalise(images, sizes, self.mean, self.std)
        levels = self.pyramid(self.backbone(pixels))  # p2..p6
        class_logits, kernels = self.instance_head(levels)
        return SOLOv2Output(
            class_logits=class_logits, kernels=kernels, mask_features=self.mask_head(levels[:4])
        )


class InstanceHead(nn.Module):
    """Class logits of each cell and the kernel of its mask; all levels share the weights."""

    def __init__(self, config: SOLOv2Config, num_classes: int) -> None:
        super().__init__()
        self.grids = config.grids
        self.class_tower = tower(config.pyramid_channels, config)
        self.kernel_tower = tower(config.pyramid_channels + 2, config)
        self.class_out = nn.Conv2d(config.head_channels, num_classes, 3, padding=1)
        self.kernel_out = nn.Conv2d(config.head_channels, config.kernel_channels, 3, padding=1)
        initialise(self)
        assert self.class_out.bias is not None
        nn.init.constant_(self.class_out.bias, -math.log((1 - CLASS_PRIOR) / CLASS_PRIOR))

    def forward(
        self, levels: list[Float[Tensor, "B D _ _"]]
    ) -> tuple[list[Float[Tensor, "B C _ _"]], list[Float[Tensor, "B E _ _"]]]:
        p2, p3, p4, p5, p6 = levels
        halved = interpolate(p2, scale_factor=0.5, mode="bilinear", align_corners=False)
        p6 = interpolate(p6, size=p5.shape[-2:], mode="bilinear", align_corners=False)
        class_logits, kernels = [], []
        for level, side in zip([halved, p3, p4, p5, p6], self.grids, strict=True):
            with_place = with_coordinates(level)  # (B, D + 2, ., .)
            grid = interpolate(with_place, size=(side, side), mode="bilinear", align_corners=False)
            class_logits.append(self.class_out(self.class_tower(grid[:, :-2])))  # (B, C, S, S)
            kernels.append(self.kernel_out(self.kernel_tower(grid)))  # (B, E, S, S)
        return class_logits, kernels


class MaskHead(nn.Module):
    """p2..p5 -> one map of mask features at a quarter of the input size."""

    def __init__(self, config: SOLOv2Config) -> None:
        super().__init__()
        wide, narrow, groups = config.pyramid_channels, config.mask_channels, config.norm_groups
        self.levels = nn.ModuleList()
        for index in range(4):
            first = wide + 2 if index == 3 else wide  # coordinates enter at the coarsest level
            blocks: list[nn.Module] = [conv_norm(first, narrow, 3, groups)]
            blocks += [conv_norm(narrow, narrow, 3, groups) for _ in range(index - 1)]
            if index:  # level i is doubled i times, once after each block
                blocks = [layer for block in blocks for layer in (block, Double())]
            self.levels.append(nn.Sequential(*blocks))
        self.out = conv_norm(narrow, config.kernel_channels, 1, groups)
        initialise(self)

    def forward(self, levels: list[Float[Tensor, "B D _ _"]]) -> Float[Tensor, "B E h w"]:
        p2, p3, p4, p5 = levels
        inputs = [p2, p3, p4, with_coordinates(p5)]
        brought = [blocks(level) for blocks, level in zip(self.levels, inputs, strict=True)]
        features: Tensor = self.out(torch.stack(brought).sum(dim=0))  # (B, M, h, w) -> (B, E, h, w)
        return features


class Double(nn.Module):
    def forward(self, level: Float[Tensor, "B M h w"]) -> Float[Tensor, "B M 2*h 2*w"]:
        return interpolate(level, scale_factor=2, mode="bilinear", align_corners=False)


def tower(in_channels: int, config: SOLOv2Config) -> nn.Sequential:
    wide = config.head_channels
    first = conv_norm(in_channels, wide, 3, config.norm_groups)
    rest = [conv_norm(wide, wide, 3, config.norm_groups) for _ in range(config.num_head_convs - 1)]
    return nn.Sequential(first, *rest)


def conv_norm(in_channels: int, out_channels: int, kernel: int, groups: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel, padding=kernel // 2, bias=False),
        nn.GroupNorm(groups, out_channels),
        nn.ReLU(inplace=True),
    )


def initialise(head: nn.Module) -> None:
    for module in head.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.normal_(module.weight, std=0.01)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def with_coordinates(level: Float[Tensor, "B D h w"]) -> Float[Tensor, "B D+2 h w"]:
    """Append x then y, each from -1 to 1 with the corners included."""
    batch, _, height, width = level.shape
    y = torch.linspace(-1, 1, height, device=level.device, dtype=level.dtype)
    x = torch.linspace(-1, 1, width, device=level.device, dtype=level.dtype)
    grid_y, grid_x = torch.meshgrid(y, x, indexing="ij")
    places = torch.stack([grid_x, grid_y]).expand(batch, -1, -1, -1)
    return torch.cat([level, places], dim=1)
