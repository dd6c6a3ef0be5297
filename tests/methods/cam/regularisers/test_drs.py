"""DRS: caps."""

import pytest
import torch
from torch import nn

from ray_wssis.methods.cam.regularisers.drs import Capped, cap_activations
from ray_wssis.models.vision import timm


def test_no_value_is_above_a_share_of_the_highest_of_its_channel() -> None:
    values = torch.randn(2, 3, 5, 5, generator=torch.Generator().manual_seed(0))
    capped = Capped(nn.ReLU(), 0.55)(values)
    for image in range(2):
        for channel in range(3):
            active = values[image, channel].clamp(min=0)
            expected = torch.minimum(active, 0.55 * active.max())
            assert torch.equal(capped[image, channel], expected)
    assert torch.equal(Capped(nn.ReLU(), 1.0)(values), values.relu())
    assert torch.equal(Capped(nn.ReLU(), 0.5)(values[:, :, 0, 0]), values[:, :, 0, 0].relu())


@pytest.mark.parametrize("name", ["resnet18", "tf_efficientnet_lite0", "mobilenetv3_small_050"])
def test_every_activation_of_a_backbone_is_capped(name: str) -> None:
    network = timm.create_model(name, features_only=True)
    acts = (nn.ReLU, nn.ReLU6, nn.SiLU, nn.Hardswish)
    number = sum(isinstance(module, acts) for module in network.modules())
    cap_activations(network, 0.5)
    assert sum(isinstance(module, Capped) for module in network.modules()) == number > 5
    assert all(torch.isfinite(level).all() for level in network(torch.rand(1, 3, 64, 64)))


def test_a_network_without_activations_is_refused() -> None:
    with pytest.raises(ValueError, match="no activation that could be capped"):
        cap_activations(nn.Conv2d(3, 3, 1), 0.5)
