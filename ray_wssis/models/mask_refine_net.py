"""MaskRefineNet: a U-Net that refines the rough mask of one object.

PointWSSIS (arXiv:2303.15062), the mask refinement network.  A crop around the object goes in with
the object's rough mask and its point, the point drawn as a Gaussian in the channel of its class;
foreground logits for the crop come out.  The encoder is any convolutional network of timm, its
coarsest features pass atrous spatial pyramid pooling, and four decoder steps bring them back to
half resolution, each joining the encoder's features of that size.

The Gaussian fills one channel of a bank of C + 1; all others are zero.  So the bank is never made:
the first convolution sees pixels and mask, and one single-channel convolution of the Gaussian with
its class's filters, gathered per sample, is added.  The sum is exactly the convolution over
3 + (C + 1) + 1 channels.  Label k speaks through channel k + 1, in training and in use alike, as
published weights expect; channel 0 stays unused and is there so that those weights fit.

Differs from the paper: pretrained RGB filters of the encoder are kept (the published code
starts that layer from scratch), and the head's weights start a hundred times as large.

Legend: B crops, C classes, S pixels of a crop side, h w pixels of the map at hand.
"""

from typing import Any

import torch
from jaxtyping import Float, Int, Shaped, UInt8
from torch import Tensor, nn
from torch.nn import functional as F

from ray_wssis.models.aspp import AtrousPyramidPooling, conv_norm_relu
from ray_wssis.models.backbone import cannot_be_used, create_timm, probe
from ray_wssis.models.mask_refine_net_config import MaskRefineNetConfig
from ray_wssis.models.vision import Conv2dSame, pad_same

ENCODER_STRIDES = [2, 4, 8, 16, 32]
# With the published 0.001, AdamW moves all weights alike in a short training, and the probability
# of foreground never rises above a half, whatever the crop shows.
HEAD_STD = 0.1
LABEL_TO_HEAT_CHANNEL = 1  # label k is drawn in heat channel k + 1


class MaskRefineNet(nn.Module):
    mean: Tensor  # of red, green and blue, 0..255
    std: Tensor

    def __init__(self, config: MaskRefineNetConfig, num_classes: int) -> None:
        super().__init__()
        self.config = config
        self.sigma = config.heat_sigma * config.crop_size
        encoder = create_timm(config.encoder, config.weights)
        info: Any = encoder.feature_info
        if info.reduction() != ENCODER_STRIDES:
            raise ValueError(
                f"encoder {config.encoder}: features at strides {info.reduction()}, wanted "
                f"{ENCODER_STRIDES}; choose another network, for instance resnet18"
            )
        if probe(encoder, config.encoder, list(range(len(ENCODER_STRIDES)))):
            raise cannot_be_used(config.encoder, "its channels come last")
        self.first = PromptedFirstLayer(take_first_conv(encoder), num_classes + 1)
        self.encoder = encoder
        skips = list(info.channels())
        self.aspp = AtrousPyramidPooling(skips.pop(), config.aspp_width, config.aspp_dilations)
        widths = [config.aspp_width, *config.decoder_widths]
        self.decoder = nn.ModuleList(
            DecoderStep(below, skip, out)
            for below, skip, out in zip(widths, reversed(skips), widths[1:], strict=False)
        )
        self.head = nn.Conv2d(widths[-1], 2, 1)
        nn.init.normal_(self.head.weight, std=HEAD_STD)
        self.register_buffer("mean", torch.tensor(config.pixel_mean) * 255, persistent=False)
        self.register_buffer("std", torch.tensor(config.pixel_std) * 255, persistent=False)
        self.to(memory_format=torch.channels_last)  # faster everywhere

    def forward(
        self,
        rgb: UInt8[Tensor, "B S S 3"],
        rough: Shaped[Tensor, "B S S"],
        point: Float[Tensor, "B 2"],
        label: Int[Tensor, " B"],
    ) -> Float[Tensor, "B 2 S S"]:
        """Compute background (channel 0) and foreground (channel 1) logits of each crop.

        `rough` is 0 or 1, `point` x, y in pixels of the crop with pixel centres at +0.5, `label`
        0..C-1.
        """
        pixels = ((rgb - self.mean) / self.std).permute(0, 3, 1, 2)  # (B, 3, S, S)
        seen = torch.cat([pixels, rough.unsqueeze(1).to(pixels.dtype)], dim=1)  # (B, 4, S, S)
        heat = draw_gaussian(point, rough.shape[-1], self.sigma)  # (B, S, S)
        first = self.first(seen, heat, label + LABEL_TO_HEAT_CHANNEL)  # (B, ., S/2, S/2)
        return self.after_first(first, rough.shape[-2:])

    def after_first(
        self, first: Float[Tensor, "B _ _ _"], size: torch.Size
    ) -> Float[Tensor, "B 2 _ _"]:
        """Compute the logits, of height and width `size`, from the output of the first layer."""
        *skips, coarse = self.encoder(first)
        features = self.aspp(coarse)  # (B, ., S/32, S/32)
        for step, skip in zip(self.decoder, reversed(skips), strict=True):
            features = step(features, skip)  # (B, ., S/16, S/16) ... (B, ., S/2, S/2)
        return upsample(self.head(features), size)


class PromptedFirstLayer(nn.Module):
    """A convolution over pixels, rough mask, and one chosen channel of a heat map bank."""

    def __init__(self, conv: nn.Conv2d, num_heat: int) -> None:
        """Take over the filters for red, green and blue of the encoder's own first layer `conv`."""
        super().__init__()
        self.seen = type(conv)(
            4,
            conv.out_channels,
            conv.kernel_size,  # type: ignore[arg-type]
            stride=conv.stride,  # type: ignore[arg-type]
            padding=conv.padding,  # type: ignore[arg-type]
            dilation=conv.dilation,  # type: ignore[arg-type]
            bias=conv.bias is not None,
        )
        self.heat_weight = nn.Parameter(torch.empty(num_heat, conv.out_channels, *conv.kernel_size))
        bound = (5 * self.heat_weight[0, 0].numel()) ** -0.5  # of the 5 channels that are not zero
        nn.init.uniform_(self.heat_weight, -bound, bound)
        with torch.no_grad():
            nn.init.uniform_(self.seen.weight, -bound, bound)
            self.seen.weight[:, :3] = conv.weight
            if conv.bias is not None and self.seen.bias is not None:
                self.seen.bias.copy_(conv.bias)

    def forward(
        self,
        seen: Float[Tensor, "B 4 S S"],
        heat: Float[Tensor, "B S S"],
        channel: Int[Tensor, " B"],
    ) -> Float[Tensor, "B D h w"]:
        """Convolve pixels and mask in `seen`, and `heat` as the `channel` of the bank."""
        conv = self.seen
        output: Tensor = conv(seen)  # (B, out, h, w)
        heat = heat.unsqueeze(1)  # (B, 1, S, S)
        padding = conv.padding
        if isinstance(conv, Conv2dSame):  # pads by the size of its input, more at the far end
            heat = pad_same(heat, conv.kernel_size, conv.stride, conv.dilation)  # type: ignore[arg-type]
            padding = (0, 0)
        patches = F.unfold(heat, conv.kernel_size, conv.dilation, padding, conv.stride)  # type: ignore[arg-type]
        filters = self.heat_weight[channel].flatten(2)  # (B, out, kernel area)
        return output + torch.bmm(filters, patches).view_as(output)


class DecoderStep(nn.Module):
    """Coarse features brought to the size of a skip connection and joined with it."""

    def __init__(self, num_below: int, num_skip: int, num_out: int) -> None:
        super().__init__()
        self.join = conv_norm_relu(num_below + num_skip, num_below, 1)
        self.smooth = conv_norm_relu(num_below, num_out, 3)

    def forward(
        self, below: Float[Tensor, "B _ _ _"], skip: Float[Tensor, "B _ h w"]
    ) -> Float[Tensor, "B D h w"]:
        joined = torch.cat([upsample(below, skip.shape[-2:]), skip], dim=1)
        smooth: Tensor = self.smooth(self.join(joined))  # (B, num_out, h, w) of the skip
        return smooth


def draw_gaussian(point: Float[Tensor, "B 2"], size: int, sigma: float) -> Float[Tensor, "B S S"]:
    """Draw a Gaussian of peak 1 on the pixel that holds each point (x, y): S = `size`.

    It ends 3 sigma + 1 pixels from the centre (39 x 39 for sigma 6), and is zero everywhere when
    the point lies outside the crop.
    """
    reach = int(3 * sigma + 1)
    centre = point.float().floor()  # (B, 2)
    offset = torch.arange(size, device=point.device) - centre[:, :, None]  # (B, 2, size)
    profile = torch.exp(-0.5 * (offset / sigma) ** 2) * (offset.abs() <= reach)
    inside = ((centre >= 0) & (centre < size)).all(dim=1)
    along_x, along_y = profile[:, 0], profile[:, 1] * inside[:, None]
    return along_y[:, :, None] * along_x[:, None, :]  # (B, size, size)


def take_first_conv(encoder: nn.Module) -> nn.Conv2d:
    """Remove the first layer of a timm network, which must be a convolution of 3 channels."""
    name, layer = next(
        (name, layer) for name, layer in encoder.named_modules() if not list(layer.children())
    )
    if not isinstance(layer, nn.Conv2d) or layer.in_channels != 3 or layer.groups != 1:
        raise ValueError(f"encoder: its first layer {name} is {layer}, wanted a plain convolution")
    encoder.set_submodule(name, nn.Identity())
    return layer


def upsample(features: Float[Tensor, "B D _ _"], size: torch.Size) -> Float[Tensor, "B D _ _"]:
    return F.interpolate(features, size=size, mode="bilinear", align_corners=False)
