"""Vision transformers as backbones of instances."""

from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import save_file

from ray_wssis.instance.learner import SegmenterLearner
from ray_wssis.instance.segmenter_config import SegmenterConfig
from ray_wssis.models.backbone_config import BackboneConfig
from ray_wssis.models.solov2 import SOLOv2
from ray_wssis.models.vit_pyramid import ViTPyramid, is_vit, resizing
from tests.support.tiny import TINY

TEST_VIT = "test_vit"  # of timm: six blocks of 64 channels, patches of 16 pixels


def make(name: str = TEST_VIT, **options: object) -> ViTPyramid:
    torch.manual_seed(0)
    return ViTPyramid(BackboneConfig.model_validate({"name": name, "weights": "none"} | options))


@pytest.mark.parametrize("name", [TEST_VIT, "vit_small_patch14_dinov2", "vit_small_patch8_224"])
def test_features_come_at_strides_4_to_32(name: str) -> None:
    backbone = make(name).eval()
    features = backbone(torch.zeros(2, 3, 64, 96))
    assert [feature.shape for feature in features] == [
        (2, channels, 64 // stride, 96 // stride)
        for channels, stride in zip(backbone.num_channels, (4, 8, 16, 32), strict=True)
    ]


def test_a_map_is_brought_to_other_sizes() -> None:
    tokens = torch.zeros(1, 32, 8, 6)
    for scale, shape in ((1, (32, 8, 6)), (2, (16, 16, 12)), (8, (4, 64, 48)), (-2, (32, 4, 3))):
        assert resizing(32, scale)(tokens).shape[1:] == shape


def test_a_position_of_the_image_stays_in_its_place() -> None:
    """A change in one corner changes the finest features of that corner most."""
    for name in (TEST_VIT, "vit_small_patch14_dinov2"):
        backbone, pixels = make(name).eval(), torch.randn(1, 3, 128, 128)
        other = pixels.clone()
        other[..., :16, 112:] += 5
        with torch.no_grad():
            change = (backbone(pixels)[0] - backbone(other)[0]).abs().sum(1)[0]
        row, column = divmod(int(change.argmax()), change.shape[1])
        assert row < 4 and column >= 28, name


def test_names_of_vision_transformers_are_told_from_others() -> None:
    for name in (TEST_VIT, "vit_small_patch14_dinov2", "vit_small_patch16_dinov3.lvd1689m"):
        assert is_vit(name)
    for name in ("resnet18", "convnext_tiny.dinov3_lvd1689m", "beit_base_patch16_224", "nothing"):
        assert not is_vit(name)


def test_solov2_trains_on_a_vision_transformer_and_can_leave_it_frozen() -> None:
    for frozen in (False, True):
        backbone = BackboneConfig(name=TEST_VIT, weights="none", frozen=frozen, frozen_stages=0)
        network = SOLOv2(TINY.model_copy(update={"backbone": backbone}), 3).train()
        assert network.backbone.body.training is not frozen
        images = torch.randint(0, 255, (2, 3, 64, 96), dtype=torch.uint8)
        output = network(images, torch.tensor([[64, 96], [50, 90]]))
        assert output.mask_features.shape[-2:] == (16, 24)
        total = output.mask_features.square().sum()
        total = total + sum(each.square().sum() for each in [*output.class_logits, *output.kernels])
        total.backward()
        for name, parameter in network.named_parameters():
            is_learnt = not (frozen and name.startswith("backbone.body."))
            assert (parameter.grad is not None) == is_learnt, name


def test_what_is_added_to_the_transformer_is_no_part_of_the_backbone() -> None:
    backbone = BackboneConfig(name=TEST_VIT, weights="none")
    config = SegmenterConfig(network=TINY.model_copy(update={"backbone": backbone}))
    learner = SegmenterLearner(config, 3)
    groups = {name: list(group) for name, group in learner.parameter_groups().items()}
    named = [id(parameter) for group in groups.values() for parameter in group]
    assert sorted(named) == sorted(map(id, learner.parameters()))
    assert len(groups["backbone"]) == len(list(learner.network.backbone.body.parameters()))


def test_weights_of_a_file_are_kept(tmp_path: Path) -> None:
    torch.manual_seed(3)
    saved: Any = timm.create_model(TEST_VIT, pretrained=False)
    save_file(saved.state_dict(), tmp_path / "vit.safetensors")
    found = make(weights=str(tmp_path / "vit.safetensors")).body.state_dict()
    assert torch.equal(found["blocks.0.attn.qkv.weight"], saved.blocks[0].attn.qkv.weight)


def test_what_cannot_be_used_is_refused() -> None:
    with pytest.raises(ValueError, match="stride_in_1x1 is for ResNets"):
        make(stride_in_1x1=True)
    with pytest.raises(ValueError, match="no weights offline; choose hub"):
        make(weights="offline")
