"""The classifier whose maps are wanted."""

import pytest
import torch

from ray_wssis.models.backbone_config import BackboneConfig
from ray_wssis.models.classifier import Classifier
from ray_wssis.models.classifier_config import ClassifierConfig

BACKBONE = BackboneConfig(name="resnet18", weights="none", frozen_stages=0, norm="batch")
SIZES = torch.tensor([[64, 64], [64, 40]])


@pytest.mark.parametrize(
    ("stride", "output_stride", "cells", "channels"),
    [(None, 32, 2, 512), (None, 16, 4, 512), (16, 16, 4, 512), (8, 32, 8, 128), (4, 32, 16, 64)],
)
def test_it_classifies_the_deepest_features_of_a_stride(
    stride: int | None, output_stride: int, cells: int, channels: int
) -> None:
    config = ClassifierConfig.model_validate(
        {"backbone": BACKBONE, "stride": stride, "output_stride": output_stride}
    )
    output = Classifier(config, 3)(torch.zeros(2, 3, 64, 64, dtype=torch.uint8), SIZES)
    assert output.maps.shape == (2, 3, cells, cells)
    assert output.features.shape == (2, channels, cells, cells)


@pytest.mark.parametrize("name", ["resnet18", "tf_efficientnet_lite0"])
def test_nothing_beyond_the_wanted_features_learns(name: str) -> None:
    backbone = BACKBONE.model_copy(update={"name": name})
    network = Classifier(ClassifierConfig(backbone=backbone, stride=8, output_stride=32), 3)
    network(torch.zeros(2, 3, 64, 64, dtype=torch.uint8), SIZES).maps.sum().backward()
    for key, parameter in network.named_parameters():
        assert (parameter.grad is not None) == parameter.requires_grad, key


def test_a_stride_that_the_backbone_lacks_is_named() -> None:
    flat = BACKBONE.model_copy(update={"name": "test_vit"})
    with pytest.raises(ValueError, match="no features at stride 8, found"):
        Classifier(ClassifierConfig(backbone=flat, stride=8, output_stride=32), 3)
