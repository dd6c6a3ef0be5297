"""DeepLab v3+: a class for every pixel (arXiv:1802.02611).

The backbone's coarsest features, kept at a finer stride by dilation, pass atrous spatial pyramid
pooling; brought to a quarter of the input, they join features of stride 4, and two convolutions
and a classifier follow.

Differs from the paper: any convolutional network of timm may be the backbone, and there may be
two classifiers on the same features ("strong-weak dual-branch", CVPR 2020): what true masks and
what pseudo labels teach is then kept apart.

Legend: B images, K classes, D decoder channels, H W canvas pixels, h w = H / 4, W / 4.
"""

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor, nn
from torch.nn.functional import interpolate

from ray_wssis.models.aspp import AtrousPyramidPooling, conv_norm_relu
from ray_wssis.models.backbone import (
    create_timm,
    freeze_up_to,
    normalise,
    pixel_statistics,
    probe,
)
from ray_wssis.models.deeplab_config import DeepLabConfig
from ray_wssis.models.vision import freeze_batch_norm_2d

LOW_LEVEL_STRIDE = 4
DROPOUT = 0.1


@dataclass(frozen=True, kw_only=True)
class SemanticOutput:
    logits: list[Float[Tensor, "B K h w"]]  # of each head; the first one is served
    features: Float[Tensor, "B D h w"]  # what the heads see


class DeepLab(nn.Module):
    mean: Tensor
    std: Tensor

    def __init__(self, config: DeepLabConfig, num_classes: int) -> None:
        super().__init__()
        backbone = config.backbone
        options = {} if config.output_stride == 32 else {"output_stride": config.output_stride}
        self.backbone = create_timm(backbone.name, backbone.weights, **options)
        info: Any = self.backbone.feature_info
        if LOW_LEVEL_STRIDE not in info.reduction() or info.reduction()[-1] < LOW_LEVEL_STRIDE:
            raise ValueError(
                f"backbone {backbone.name}: features at strides {info.reduction()}, wanted one at "
                f"{LOW_LEVEL_STRIDE}; choose a convolutional network of timm, or, for a vision "
                "transformer, decoder: dpt"
            )
        self.low_level = info.reduction().index(LOW_LEVEL_STRIDE)
        channels = info.channels()
        self.is_channels_last = probe(self.backbone, backbone.name, [self.low_level])
        self.frozen = backbone.frozen
        if backbone.frozen:
            self.backbone.requires_grad_(False)
        elif backbone.frozen_stages:
            freeze_up_to(self.backbone, info.module_name(self.low_level), self.low_level)
        if backbone.norm == "frozen":
            self.backbone = freeze_batch_norm_2d(self.backbone)
        norm = config.norm
        self.aspp = AtrousPyramidPooling(channels[-1], config.aspp_width, config.aspp_rates, norm)
        self.reduce = conv_norm_relu(channels[self.low_level], config.low_level_width, 1, norm=norm)
        self.fuse = nn.Sequential(
            conv_norm_relu(
                config.aspp_width + config.low_level_width, config.decoder_width, 3, norm=norm
            ),
            conv_norm_relu(config.decoder_width, config.decoder_width, 3, norm=norm),
        )
        self.dropout = nn.Dropout2d(DROPOUT)
        self.heads = nn.ModuleList(
            nn.Conv2d(config.decoder_width, num_classes, 1) for _ in range(config.heads)
        )
        mean, std = pixel_statistics(backbone.name)
        self.register_buffer("mean", torch.tensor(mean).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(3, 1, 1), persistent=False)

    def train(self, mode: bool = True) -> "DeepLab":
        super().train(mode)
        self.backbone.train(mode and not self.frozen)
        return self

    @property
    def neck(self) -> list[nn.Module]:
        """The modules between the backbone and the heads."""
        return [self.aspp, self.reduce, self.fuse]

    def forward(
        self, images: UInt8[Tensor, "B 3 H W"], sizes: Int[Tensor, "B 2"]
    ) -> SemanticOutput:
        """Run the network on RGB canvases, H and W multiples of 32, with an image top left in each.

        `sizes` are height and width of the images.
        """
        levels = self.backbone(normalise(images, sizes, self.mean, self.std))
        if self.is_channels_last:
            levels = [level.permute(0, 3, 1, 2) for level in levels]
        low = self.reduce(levels[self.low_level])  # (B, ., h, w)
        coarse = upsample(self.aspp(levels[-1]), low.shape[-2:])  # (B, ., h, w)
        features = self.dropout(self.fuse(torch.cat([coarse, low], dim=1)))  # (B, D, h, w)
        return SemanticOutput(logits=[head(features) for head in self.heads], features=features)


def upsample(maps: Float[Tensor, "B D _ _"], size: torch.Size) -> Float[Tensor, "B D _ _"]:
    return interpolate(maps, size=size, mode="bilinear", align_corners=False)
