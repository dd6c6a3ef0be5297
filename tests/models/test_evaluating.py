import pytest
from torch import nn

from ray_wssis.models.evaluating import evaluating
from tests.support.modes import mix_modes, modes


def test_every_module_has_its_mode_back_after_an_error_too() -> None:
    network = nn.Sequential(nn.BatchNorm2d(2), nn.Sequential(nn.Dropout(), nn.ReLU()), nn.ReLU())
    before = mix_modes(network)
    assert before == [True, True, False, True, True, False]
    with evaluating(network):
        assert modes(network) == [False] * 6
    assert modes(network) == before
    with pytest.raises(ZeroDivisionError), evaluating(network):
        _ = 1 / 0
    assert modes(network) == before


def test_a_network_in_evaluation_mode_stays_there() -> None:
    network = nn.Sequential(nn.BatchNorm2d(2)).eval()
    with evaluating(network):
        pass
    assert modes(network) == [False, False]
