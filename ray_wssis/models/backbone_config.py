"""Configuration of a backbone."""

from typing import Any, Literal

from ray_wssis.config import Config

PIXEL_MEAN = (0.485, 0.456, 0.406)  # ImageNet, RGB in 0..1
PIXEL_STD = (0.229, 0.224, 0.225)


class BackboneConfig(Config):
    name: str = "resnet50"  # a network of timm; plain vision transformers for instances only
    weights: str = "hub"  # hub | offline | none | a file with a state dict
    frozen_stages: Literal[0, 1] = 1  # 1: nothing up to and including stride 4 is trained
    frozen: bool = False  # true: only what is beyond the backbone is trained
    norm: Literal["frozen", "batch"] = "frozen"  # batch norm as learnt on ImageNet, or trained
    stride_in_1x1: bool = (
        False  # a bottleneck halves in its first convolution, as published weights
    )


def as_saved(network: Any) -> Any:
    """Return the configuration of a network without a source of first weights: they are saved."""
    backbone = network.backbone.model_copy(update={"weights": "none"})
    return network.model_copy(update={"backbone": backbone})
