"""DeepLab v3+ on backbones of several kinds."""

import pytest
import torch
from pydantic import ValidationError

from ray_wssis.models.backbone_config import BackboneConfig
from ray_wssis.models.deeplab import DeepLab
from ray_wssis.models.deeplab_config import DeepLabConfig


def network(name: str, output_stride: int = 16, heads: int = 1) -> DeepLab:
    config = {
        "backbone": BackboneConfig(name=name, weights="none", frozen_stages=0, norm="batch"),
        "output_stride": output_stride,
        "heads": heads,
        "aspp_width": 16,
        "low_level_width": 8,
        "decoder_width": 16,
    }
    return DeepLab(DeepLabConfig.model_validate(config), 5).eval()


@pytest.mark.parametrize("name", ["resnet18", "tf_efficientnet_lite0", "convnext_atto"])
@pytest.mark.parametrize("output_stride", [8, 16, 32])
def test_logits_come_at_a_quarter_of_the_input(name: str, output_stride: int) -> None:
    images = torch.randint(0, 255, (2, 3, 64, 96), dtype=torch.uint8)
    output = network(name, output_stride=output_stride)(images, torch.tensor([[64, 96], [50, 70]]))
    assert [tuple(logits.shape) for logits in output.logits] == [(2, 5, 16, 24)]
    assert tuple(output.features.shape) == (2, 16, 16, 24)


@pytest.mark.parametrize("name", ["mambaout_femto", "vgg11", "vit_tiny_patch16_224"])
def test_a_network_that_knows_no_dilation_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name}: its coarsest features cannot be at stride 16"):
        network(name)


def test_a_network_with_its_channels_last_is_a_backbone_at_stride_32() -> None:
    images = torch.randint(0, 255, (2, 3, 64, 96), dtype=torch.uint8)
    found = network("mambaout_femto", output_stride=32)(images, torch.tensor([[64, 96], [50, 70]]))
    assert tuple(found.logits[0].shape) == (2, 5, 16, 24)


def test_a_frozen_backbone_stands_still_and_the_rest_learns() -> None:
    backbone = BackboneConfig(name="resnet18", weights="none", frozen=True, norm="batch")
    config = DeepLabConfig(
        backbone=backbone, aspp_width=16, low_level_width=8, decoder_width=16, norm="group"
    )
    found = DeepLab(config, 5).train()
    assert not found.backbone.training
    images = torch.randint(0, 255, (2, 3, 64, 96), dtype=torch.uint8)
    found(images, torch.tensor([[64, 96]] * 2)).logits[0].square().sum().backward()
    for name, parameter in found.named_parameters():
        assert (parameter.grad is None) == name.startswith("backbone."), name


def test_two_heads_see_the_same_features() -> None:
    images = torch.randint(0, 255, (1, 3, 64, 64), dtype=torch.uint8)
    twice = network("resnet18", heads=2)
    output = twice(images, torch.tensor([[64, 64]]))
    assert len(output.logits) == 2
    for head, logits in zip(twice.heads, output.logits, strict=True):
        torch.testing.assert_close(head(output.features), logits)


def test_what_lies_beyond_an_image_is_not_seen() -> None:
    images = torch.randint(0, 255, (1, 3, 64, 64), dtype=torch.uint8)
    other = images.clone()
    other[..., 40:] = 9
    sizes = torch.tensor([[64, 40]])
    net = network("resnet18")
    assert torch.equal(net(images, sizes).logits[0], net(other, sizes).logits[0])


def test_a_backbone_without_stride_4_is_refused() -> None:
    with pytest.raises(ValueError, match="wanted one at 4"):
        network("vit_tiny_patch16_224", output_stride=32)


def test_widths_must_fit_the_groups() -> None:
    with pytest.raises(ValidationError, match="aspp_width is 12"):
        DeepLabConfig(norm="group", aspp_width=12)
