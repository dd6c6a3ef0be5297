"""Atrous spatial pyramid pooling (DeepLab v3, arXiv:1706.05587, section 3.3).

Legend: B images, D channels, h w pixels of the map.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ray_wssis.models.deeplab_config import CHANNELS_OF_A_GROUP, Norm


class AtrousPyramidPooling(nn.Module):
    """The same map seen at several dilations and as a whole, side by side."""

    def __init__(
        self, num_in: int, width: int, dilations: tuple[int, ...], norm: Norm = "batch"
    ) -> None:
        super().__init__()
        self.whole = conv_norm_relu(num_in, width, 1, norm=norm)
        self.local = conv_norm_relu(num_in, width, 1, norm=norm)
        self.dilated = nn.ModuleList(
            conv_norm_relu(num_in, width, 3, dilation, norm) for dilation in dilations
        )
        self.project = conv_norm_relu(width * (2 + len(dilations)), width, 1, norm=norm)

    def forward(self, features: Float[Tensor, "B _ h w"]) -> Float[Tensor, "B D h w"]:
        size = features.shape[-2:]
        whole = self.whole(features.mean(dim=(2, 3), keepdim=True)).expand(-1, -1, *size)
        views = [whole, self.local(features), *(branch(features) for branch in self.dilated)]
        projected: Tensor = self.project(torch.cat(views, dim=1))  # (B, width, h, w)
        return projected


def conv_norm_relu(
    num_in: int, num_out: int, size: int, dilation: int = 1, norm: Norm = "batch"
) -> nn.Sequential:
    """A convolution that keeps the size of the map, its norm, and ReLU."""
    padding = dilation * (size // 2)
    conv = nn.Conv2d(num_in, num_out, size, padding=padding, dilation=dilation, bias=False)
    return nn.Sequential(conv, norm_of(norm, num_out), nn.ReLU(inplace=True))


def norm_of(norm: Norm, num_channels: int) -> nn.Module:
    if norm == "batch":
        return nn.BatchNorm2d(num_channels)
    return nn.GroupNorm(num_channels // CHANNELS_OF_A_GROUP, num_channels)
