"""State dicts laid out as published ones, of the depth of a ResNet-50 and narrow behind it.

Every tensor is one number, seen many times, so that a file of them is small.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from ray_wssis.models.backbone_config import BackboneConfig
from ray_wssis.models.mask_refine_net import MaskRefineNet
from ray_wssis.models.mask_refine_net_config import MaskRefineNetConfig
from ray_wssis.models.published.names import published_name
from ray_wssis.models.published.refiner import refiner_shapes
from ray_wssis.models.published.segmenter import SEGMENTER_NAMES
from ray_wssis.models.solov2 import SOLOv2
from ray_wssis.models.solov2_config import SOLOv2Config

SEGMENTER = SOLOv2Config(
    backbone=BackboneConfig(name="resnet50", weights="none", stride_in_1x1=True),
    pyramid_channels=8,
    head_channels=32,
    num_head_convs=2,
    mask_channels=32,
    kernel_channels=32,
)
REFINER = MaskRefineNetConfig(
    encoder="resnet50", weights="none", aspp_width=8, decoder_widths=(8, 6, 4, 2)
)


def published_segmenter(num_classes: int = 3) -> dict[str, Tensor]:
    with torch.device("meta"):
        state = SOLOv2(SEGMENTER, num_classes).state_dict()
    return numbered(
        {published_name(key, SEGMENTER_NAMES): value.shape for key, value in state.items()}
    )


def published_refiner(num_classes: int = 3) -> dict[str, Tensor]:
    with torch.device("meta"):
        network = MaskRefineNet(REFINER, num_classes)
    return numbered(refiner_shapes(network))


def numbered(shapes: dict[str, torch.Size]) -> dict[str, Tensor]:
    """Tensors of these shapes: 1s, 2s, 3s and so on; the counters of batch norms are 7."""
    return {
        key: (torch.tensor(number / 8) if shape else torch.tensor(7)).expand(shape)
        for number, (key, shape) in enumerate(shapes.items(), start=1)
    }


def extremes(state: Mapping[str, Tensor]) -> dict[str, tuple[float, float]]:
    """The smallest and the largest number of each tensor."""
    return {key: (value.min().item(), value.max().item()) for key, value in state.items()}
