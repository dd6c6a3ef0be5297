from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file

from ray_wssis.models.backbone import OFFLINE_BACKBONE, Backbone, FeaturePyramid, pixel_statistics
from ray_wssis.models.backbone_config import BackboneConfig


def make(name: str = "resnet18", **options: object) -> Backbone:
    torch.manual_seed(0)
    return Backbone(BackboneConfig.model_validate({"name": name, "weights": "none"} | options))


@pytest.mark.parametrize("name", ["resnet18", OFFLINE_BACKBONE, "regnety_002"])
def test_features_come_at_strides_4_to_32(name: str) -> None:
    backbone = make(name).eval()
    features = backbone(torch.zeros(2, 3, 64, 96))
    assert [feature.shape for feature in features] == [
        (2, channels, 64 // stride, 96 // stride)
        for channels, stride in zip(backbone.num_channels, (4, 8, 16, 32), strict=True)
    ]


def test_the_pyramid_adds_a_fifth_level_and_gives_all_the_same_width() -> None:
    backbone = make()
    levels = FeaturePyramid(backbone.num_channels, 16)(backbone(torch.zeros(1, 3, 64, 128)))
    assert [tuple(level.shape) for level in levels] == [
        (1, 16, 64 // stride, 128 // stride) for stride in (4, 8, 16, 32, 64)
    ]


def test_an_unknown_name_is_refused_with_near_ones() -> None:
    with pytest.raises(ValueError, match=r"'resnet5' is not a network of timm; near it: \w*resnet"):
        make("resnet5")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("visformer_tiny", r"no features at stride \[4\], found \[8, 16, 32\]; choose"),
        ("coat_lite_tiny", r"\(Input height \(96\) doesn't match model \(224\)\); choose"),
        ("hiera_tiny_224", r"of images of any size \(The size of tensor a .*\); choose"),
        ("inception_v3", r"\(an image of 96 x 160 has features \[\(192, 20, 36\).*\); choose"),
    ],
)
def test_a_network_that_cannot_be_used_is_refused_with_some_that_can(name: str, said: str) -> None:
    with pytest.raises(ValueError, match=f"backbone {name}.*{said} another network, .*resnet50"):
        make(name)


@pytest.mark.parametrize("name", ["mambaout_femto", "twins_svt_small"])
def test_networks_of_other_forms_work_too(name: str) -> None:
    """One has its channels last, the other names its parameters unlike its modules."""
    backbone = make(name).eval()
    features = backbone(torch.zeros(1, 3, 64, 96))
    assert [feature.shape for feature in features] == [
        (1, channels, 64 // stride, 96 // stride)
        for channels, stride in zip(backbone.num_channels, (4, 8, 16, 32), strict=True)
    ]
    assert not features[0].requires_grad
    assert all(feature.requires_grad for feature in features[1:])


def test_a_frozen_backbone_stands_still() -> None:
    backbone = make(frozen=True, norm="batch")
    before = backbone.eval()(torch.ones(1, 3, 64, 64))
    backbone.train()
    assert not backbone.body.training
    features = backbone(torch.randn(2, 3, 64, 64))
    assert not any(feature.requires_grad for feature in features)
    torch.testing.assert_close(backbone.eval()(torch.ones(1, 3, 64, 64)), before)


def test_looking_at_a_network_leaves_it_as_it_was() -> None:
    torch.manual_seed(0)
    alone = timm.create_model("resnet18", features_only=True).state_dict()
    looked_at = make("resnet18", norm="batch").body
    assert looked_at.training
    for key, value in looked_at.state_dict().items():
        assert torch.equal(value, alone[key]), key


@pytest.mark.parametrize("name", ["resnet18", "resnet50", OFFLINE_BACKBONE])
def test_frozen_stages_have_no_gradient_and_the_others_do(name: str) -> None:
    backbone = make(name)
    features = backbone(torch.randn(1, 3, 64, 64))
    assert not features[0].requires_grad  # nothing up to stride 4 is trained
    assert all(feature.requires_grad for feature in features[1:])
    torch.cat([feature.flatten() for feature in features]).sum().backward()
    given = [p.grad is not None for p in backbone.parameters() if p.requires_grad]
    assert given and all(given)


def test_without_frozen_stages_everything_is_trained() -> None:
    backbone = make(frozen_stages=0, norm="batch")
    assert all(parameter.requires_grad for parameter in backbone.parameters())


def test_a_frozen_norm_gives_the_same_features_in_training() -> None:
    backbone, pixels = make(), torch.randn(2, 3, 64, 64)
    before = backbone.eval()(pixels)
    after = backbone.train()(pixels)
    torch.testing.assert_close(before, after)
    assert not any("bn" in name for name, _ in backbone.named_parameters())


def test_offline_weights_fill_the_network_in_order() -> None:
    backbone = Backbone(BackboneConfig(name=OFFLINE_BACKBONE, weights="offline")).eval()
    first, last = backbone.body.conv_stem.weight, backbone.body.blocks[6][0].conv_pwl.weight
    assert float(first.detach().abs().sum()) == pytest.approx(387.120, abs=0.01)
    assert float(last.detach().abs().sum()) == pytest.approx(19663.28, abs=0.5)
    ramp = torch.linspace(-1, 1, 64).expand(1, 3, 64, 64)
    with torch.inference_mode():
        features = backbone(ramp)
    spread = [float(feature.std()) for feature in features]
    assert all(0.1 < value < 10 for value in spread)  # weights in a wrong order explode or vanish


def test_only_one_network_has_weights_offline() -> None:
    with pytest.raises(ValueError, match="resnet18: only tf_efficientnet_lite0 has weights"):
        Backbone(BackboneConfig(name="resnet18", weights="offline"))


@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
def test_weights_from_a_file_are_taken_by_name(tmp_path: Path, suffix: str) -> None:
    source, file = timm.create_model("resnet18"), tmp_path / f"weights.{suffix}"
    if suffix == "pth":
        torch.save({"state_dict": source.state_dict()}, file)
    else:
        save_file(source.state_dict(), file)
    backbone = Backbone(BackboneConfig(name="resnet18", weights=str(file)))
    key = "layer4.1.conv2.weight"
    torch.testing.assert_close(backbone.body.state_dict()[key], source.state_dict()[key])


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "weights.pth"
    torch.save(timm.create_model("resnet10t").state_dict(), file)
    with pytest.raises(ValueError, match=r"weights\.pth: \d+ tensors are missing"):
        Backbone(BackboneConfig(name="resnet18", weights=str(file)))
    with pytest.raises(ValueError, match="no such file"):
        Backbone(BackboneConfig(name="resnet18", weights=str(tmp_path / "none.pth")))


def test_the_stride_can_be_in_the_first_convolution_of_a_bottleneck() -> None:
    usual, moved = make("resnet26"), make("resnet26", stride_in_1x1=True)
    assert usual.body.layer2[0].conv2.stride == moved.body.layer2[0].conv1.stride == (2, 2)
    assert usual.body.layer2[0].conv1.stride == moved.body.layer2[0].conv2.stride == (1, 1)
    assert moved.body.layer1[0].conv1.stride == moved.body.layer2[1].conv1.stride == (1, 1)
    with pytest.raises(ValueError, match="resnet18: stride_in_1x1 is for ResNets of bottleneck"):
        make("resnet18", stride_in_1x1=True)


def test_pixels_are_normalised_as_the_weights_learnt_them() -> None:
    assert pixel_statistics("resnet50") == ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    assert pixel_statistics(OFFLINE_BACKBONE) == ((0.5,) * 3, (0.5,) * 3)
