import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ray_wssis.models.mask_refine_net import (
    MaskRefineNet,
    PromptedFirstLayer,
    draw_gaussian,
    take_first_conv,
)
from ray_wssis.models.mask_refine_net_config import MaskRefineNetConfig

SMALL = MaskRefineNetConfig(
    encoder="resnet18",
    weights="none",
    crop_size=64,
    aspp_width=16,
    decoder_widths=(16, 12, 8, 8),
)


def inputs(num: int, size: int, num_classes: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return (
        torch.randint(0, 256, (num, size, size, 3), dtype=torch.uint8, generator=generator),
        torch.randint(0, 2, (num, size, size), dtype=torch.uint8, generator=generator),
        torch.rand(num, 2, generator=generator) * size,
        torch.randint(0, num_classes, (num,), generator=generator),
    )


def dense_first_layer(
    layer: PromptedFirstLayer, seen: Tensor, heat: Tensor, channel: Tensor
) -> Tensor:
    """The published way: one convolution over RGB, a whole bank of heat maps, and the mask."""
    bank = torch.zeros(len(seen), len(layer.heat_weight), *heat.shape[1:])
    for i, c in enumerate(channel.tolist()):
        bank[i, c] = heat[i]
    conv = layer.seen
    dense = type(conv)(
        4 + len(layer.heat_weight),
        conv.out_channels,
        conv.kernel_size,  # type: ignore[arg-type]
        stride=conv.stride,  # type: ignore[arg-type]
        padding=conv.padding,  # type: ignore[arg-type]
        bias=conv.bias is not None,
    )
    dense.weight.data = torch.cat(
        [conv.weight[:, :3], layer.heat_weight.transpose(0, 1), conv.weight[:, 3:]], dim=1
    )
    if conv.bias is not None:
        dense.bias = conv.bias
    output: Tensor = dense(torch.cat([seen[:, :3], bank, seen[:, 3:]], dim=1))
    return output


@pytest.mark.parametrize("size", [64, 63])
@pytest.mark.parametrize("encoder", ["resnet18", "tf_efficientnet_lite0", "regnety_002"])
def test_the_gathered_convolution_equals_the_dense_one(encoder: str, size: int) -> None:
    torch.manual_seed(0)
    config = SMALL.model_copy(update={"encoder": encoder})
    layer = MaskRefineNet(config, num_classes=5).first
    heat = draw_gaussian(torch.tensor([[10.2, 50.0], [62.9, 0.0], [99.0, 3.0]]), size, 1.5)
    seen, channel = torch.randn(3, 4, size, size), torch.tensor([1, 5, 2])
    expected = dense_first_layer(layer, seen, heat, channel)
    torch.testing.assert_close(layer(seen, heat, channel), expected, rtol=1e-5, atol=1e-5)


def test_the_gathered_convolution_learns_as_the_dense_one() -> None:
    layer = PromptedFirstLayer(nn.Conv2d(3, 8, 7, stride=2, padding=3, bias=True), num_heat=4)
    heat = draw_gaussian(torch.tensor([[10.0, 20.0], [30.0, 5.0]]), 32, 1.5)
    seen, channel = torch.randn(2, 4, 32, 32), torch.tensor([3, 1])
    weights = [layer.heat_weight, layer.seen.weight]
    ours = torch.autograd.grad(layer(seen, heat, channel).square().sum(), weights)
    padded = torch.zeros(2, 4, 32, 32).scatter_(
        1, channel.view(2, 1, 1, 1).expand(2, 1, 32, 32), heat.unsqueeze(1)
    )
    dense = layer.seen(seen) + F.conv2d(
        padded, layer.heat_weight.transpose(0, 1), stride=2, padding=3
    )
    theirs = torch.autograd.grad(dense.square().sum(), weights)
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-3)


def test_the_encoders_own_rgb_filters_are_kept() -> None:
    conv = nn.Conv2d(3, 8, 3, stride=2)
    layer = PromptedFirstLayer(conv, num_heat=4)
    torch.testing.assert_close(layer.seen.weight[:, :3], conv.weight)
    assert conv.bias is not None and layer.seen.bias is not None
    torch.testing.assert_close(layer.seen.bias, conv.bias)


@pytest.mark.parametrize("encoder", ["resnet18", "tf_efficientnet_lite0", "mobilenetv3_small_100"])
def test_logits_have_the_size_of_the_crop(encoder: str) -> None:
    network = MaskRefineNet(SMALL.model_copy(update={"encoder": encoder}), num_classes=3).eval()
    with torch.inference_mode():
        assert network(*inputs(2, 64, 3)).shape == (2, 2, 64, 64)


def test_every_parameter_gets_a_gradient() -> None:
    torch.manual_seed(0)
    network = MaskRefineNet(SMALL, num_classes=1)
    network(*inputs(2, 64, 1)).square().sum().backward()
    still = [n for n, p in network.named_parameters() if p.grad is None]
    assert still == []
    assert network.first.heat_weight.grad is not None
    assert not network.first.heat_weight.grad[0].any()  # the channel that no label uses


def test_the_class_and_the_point_change_the_answer() -> None:
    network = MaskRefineNet(SMALL, num_classes=3).eval()
    rgb, rough, point, label = inputs(1, 64, 3)
    with torch.inference_mode():
        answer = network(rgb, rough, point, label)
        assert not torch.equal(answer, network(rgb, rough, point, (label + 1) % 3))
        assert not torch.equal(answer, network(rgb, rough, (point + 20) % 64, label))


def test_the_default_is_the_published_network() -> None:
    with torch.device("meta"):
        config = MaskRefineNetConfig(weights="none", encoder="resnet101")
        network = MaskRefineNet(config, num_classes=80)
    assert sum(parameter.numel() for parameter in network.parameters()) == 77_111_490


def test_the_gaussian_has_peak_one_and_ends_after_39_pixels() -> None:
    heat = draw_gaussian(torch.tensor([[100.7, 60.2]]), 256, 6.0)[0]
    assert heat[60, 100] == heat.max() == 1
    assert heat[60].count_nonzero() == heat[:, 100].count_nonzero() == 39
    torch.testing.assert_close(heat[63, 104], torch.tensor(-(3**2 + 4**2) / 72).exp())


def test_a_point_outside_the_crop_draws_nothing() -> None:
    outside = torch.tensor([[-0.1, 5.0], [5.0, 64.0]])
    heat = draw_gaussian(outside, 64, 1.5)
    assert not heat.any()


def test_a_network_that_does_not_begin_with_a_convolution_is_refused() -> None:
    with pytest.raises(ValueError, match="wanted a plain convolution"):
        take_first_conv(nn.Sequential(nn.BatchNorm2d(3), nn.Conv2d(3, 8, 3)))


def test_a_network_without_stride_2_is_refused() -> None:
    with pytest.raises(ValueError, match="convnext_atto: features at strides"):
        MaskRefineNet(SMALL.model_copy(update={"encoder": "convnext_atto"}), num_classes=3)


def test_a_crop_size_that_the_encoder_cannot_halve_is_refused() -> None:
    with pytest.raises(ValueError, match="crop_size is 80, it must be a multiple of 32, for insta"):
        MaskRefineNetConfig(crop_size=80)
