"""A classifier of images whose scores are means of maps: where a map is high, the class is seen.

"Learning deep features for discriminative localization" (arXiv:1512.04150): with global average
pooling before a linear classifier without bias, classifying every cell first and pooling afterwards
is the same, and gives a class activation map (CAM) for every class.

Legend: B images, K classes, D channels, H W canvas pixels, h w cells of the features.
"""

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor, nn

from ray_wssis.models.backbone import (
    create_timm,
    freeze_up_to,
    made_from,
    normalise,
    pixel_statistics,
    probe,
)
from ray_wssis.models.classifier_config import ClassifierConfig
from ray_wssis.models.vision import freeze_batch_norm_2d


@dataclass(frozen=True, kw_only=True)
class ClassifierOutput:
    maps: Float[Tensor, "B K h w"]  # scores of every cell
    features: Float[Tensor, "B D h w"]  # what the head sees


class Classifier(nn.Module):
    mean: Tensor
    std: Tensor

    def __init__(self, config: ClassifierConfig, num_classes: int) -> None:
        super().__init__()
        backbone = config.backbone
        options = {} if config.output_stride == 32 else {"output_stride": config.output_stride}
        levels = levels_up_to(config.stride, backbone.name, options)
        self.backbone = create_timm(backbone.name, backbone.weights, out_indices=levels, **options)
        info: Any = self.backbone.feature_info
        self.is_channels_last = probe(self.backbone, backbone.name, [len(levels) - 1])
        used = {id(parameter) for parameter in made_from(self.backbone, len(levels) - 1)}
        for parameter in self.backbone.parameters():  # some networks keep deeper layers
            parameter.requires_grad_(id(parameter) in used)
        self.frozen = backbone.frozen
        if backbone.frozen:
            self.backbone.requires_grad_(False)
        elif backbone.frozen_stages:
            first = info.reduction().index(4)
            freeze_up_to(self.backbone, info.module_name(first), first)
        if backbone.norm == "frozen":
            self.backbone = freeze_batch_norm_2d(self.backbone)
        self.stride: int = info.reduction()[-1]  # pixels of a cell, both sides
        self.head = nn.Conv2d(info.channels()[-1], num_classes, 1, bias=False)
        mean, std = pixel_statistics(backbone.name)
        self.register_buffer("mean", torch.tensor(mean).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(3, 1, 1), persistent=False)

    def train(self, mode: bool = True) -> "Classifier":
        super().train(mode)
        self.backbone.train(mode and not self.frozen)
        return self

    def forward(
        self, images: UInt8[Tensor, "B 3 H W"], sizes: Int[Tensor, "B 2"]
    ) -> ClassifierOutput:
        """Classify the cells of RGB canvases, H and W multiples of 32, images top left in them.

        `sizes` are height and width of the images.
        """
        features = self.backbone(normalise(images, sizes, self.mean, self.std))[-1]
        if self.is_channels_last:
            features = features.permute(0, 3, 1, 2)  # (B, D, h, w)
        return ClassifierOutput(maps=self.head(features), features=features)


def levels_up_to(stride: int | None, name: str, options: dict[str, Any]) -> tuple[int, ...]:
    """Return the places of the backbone's features up to the last ones of a stride.

    Raises ValueError if it has none of that stride, or is no network of timm.
    """
    with torch.device("meta"):
        info: Any = create_timm(name, "none", **options).feature_info
    strides = info.reduction()
    wanted = strides[-1] if stride is None else stride
    if wanted not in strides:
        raise ValueError(f"backbone {name}: no features at stride {wanted}, found {strides}")
    return tuple(range(len(strides) - strides[::-1].index(wanted)))
