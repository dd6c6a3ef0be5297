"""A vision transformer with a decoder of convolutions ("DPT", arXiv:2103.13413).

Tokens after four blocks become maps at a quarter, half, one and two times the patch; from the
coarsest to the finest they are added, each step by residual convolutions, and a classifier
follows.

Differs from the paper: all maps have the same width from the start; norms are over groups of
channels, and inside of the residual units; the result is at a quarter of the input, whatever the
patch.

Legend: B images, K classes, D decoder channels, H W canvas pixels, h w = H / 4, W / 4, p pixels of
a patch's side, N M patches.
"""

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor, nn
from torch.nn.functional import pad

from ray_wssis.models.aspp import conv_norm_relu, norm_of
from ray_wssis.models.backbone import normalise, pixel_statistics
from ray_wssis.models.deeplab import DROPOUT, SemanticOutput, upsample
from ray_wssis.models.dpt_config import DPTConfig
from ray_wssis.models.vit import NUM_MAPS, ViTBackbone


class DPT(nn.Module):
    mean: Tensor
    std: Tensor

    def __init__(self, config: DPTConfig, num_classes: int) -> None:
        super().__init__()
        self.backbone = ViTBackbone(config.backbone, config.blocks)
        width = config.width
        self.resize = nn.ModuleList(
            nn.Sequential(nn.Conv2d(self.backbone.num_channels, width, 1), change)
            for change in (
                nn.ConvTranspose2d(width, width, 4, stride=4),
                nn.ConvTranspose2d(width, width, 2, stride=2),
                nn.Identity(),
                nn.Conv2d(width, width, 3, stride=2, padding=1),
            )
        )
        self.enter = nn.ModuleList(ResidualUnit(width) for _ in range(NUM_MAPS - 1))
        self.leave = nn.ModuleList(ResidualUnit(width) for _ in range(NUM_MAPS))
        self.fuse = conv_norm_relu(width, width, 3, norm="group")
        self.dropout = nn.Dropout2d(DROPOUT)
        self.heads = nn.ModuleList(nn.Conv2d(width, num_classes, 1) for _ in range(config.heads))
        mean, std = pixel_statistics(config.backbone.name)
        self.register_buffer("mean", torch.tensor(mean).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(3, 1, 1), persistent=False)

    @property
    def neck(self) -> list[nn.Module]:
        """The modules between the backbone and the heads."""
        return [self.resize, self.enter, self.leave, self.fuse]

    def forward(
        self, images: UInt8[Tensor, "B 3 H W"], sizes: Int[Tensor, "B 2"]
    ) -> SemanticOutput:
        """Run the network on RGB canvases, H and W multiples of 4, with an image top left in each.

        `sizes` are height and width of the images.  Images of other sizes pass one after the
        other, so no patch beyond an image is attended to, and positions are relative to the image
        and not to its canvas.
        """
        pixels = normalise(images, sizes, self.mean, self.std)
        step = 2 * self.backbone.patch
        if torch.compiler.is_exporting():  # one graph for all sizes: the canvas counts as the image
            return self.output(self.decoded(pixels, rounded(pixels.shape[-2:], step)))
        groups: dict[tuple[int, int], list[int]] = {}
        for place, size in enumerate(sizes.tolist()):
            groups.setdefault(rounded(size, step), []).append(place)
        if len(groups) == 1:
            return self.output(self.decoded(pixels, next(iter(groups))))
        places = torch.tensor([i for group in groups.values() for i in group])
        decoded = [self.decoded(pixels[group], size) for size, group in groups.items()]
        return self.output(torch.cat(decoded)[places.argsort().to(pixels.device)])

    def decoded(
        self, pixels: Float[Tensor, "B 3 H W"], size: tuple[int, int]
    ) -> Float[Tensor, "B D h w"]:
        """Compute features of the top left `size` pixels, multiples of 2 p; zeros beyond."""
        height, width = pixels.shape[-2:]
        bottom, right = size[0] - height, size[1] - width  # a negative number of pixels is cut off
        maps = self.backbone(pad(pixels, (0, right, 0, bottom)))  # 4 of (B, ., N, M)
        maps = [resize(tokens) for resize, tokens in zip(self.resize, maps, strict=True)]
        fused = self.leave[-1](maps[-1])
        for level in reversed(range(NUM_MAPS - 1)):
            finer = self.enter[level](maps[level])
            fused = self.leave[level](upsample(fused, finer.shape[-2:]) + finer)
        own = torch.Size((size[0] // 4, size[1] // 4))
        fused = self.fuse(upsample(fused, own))
        return pad(fused, (0, width // 4 - own[1], 0, height // 4 - own[0]))

    def output(self, features: Float[Tensor, "B D h w"]) -> SemanticOutput:
        features = self.dropout(features)
        return SemanticOutput(logits=[head(features) for head in self.heads], features=features)


class ResidualUnit(nn.Module):
    """Two convolutions beside an identity."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            norm_of("group", width),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            norm_of("group", width),
        )

    def forward(self, maps: Float[Tensor, "B D _ _"]) -> Float[Tensor, "B D _ _"]:
        changed: Tensor = self.convolutions(maps)
        return maps + changed


def rounded(size: torch.Size | list[int], step: int) -> tuple[int, int]:
    """Round height and width up to multiples of `step`."""
    height, width = (-(-int(side) // step) * step for side in size)
    return height, width
