import pytest

from ray_wssis.config import load_config
from ray_wssis.models.licence import say_licences, warn_of
from ray_wssis.recipes.point_wssis_checks import first_weights
from ray_wssis.recipes.point_wssis_config import PointWSSISConfig


def test_weights_that_several_trainings_start_from_are_named_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    warn_of.cache_clear()
    caplog.set_level("INFO")
    nets = {name: ("vit_base_patch16_224.mae", "hub") for name in ("teacher", "student")}
    say_licences({**nets, "refiner": ("resnet18", "none")})
    say_licences(nets)
    assert caplog.text.count("teacher, student: the weights of vit_base_patch16_224.mae are") == 2
    assert "which restricts the use of this model too" in caplog.text
    assert caplog.text.count("read it before you publish or sell") == 1
    assert "refiner" not in caplog.text


def test_a_network_that_is_not_trained_here_has_no_first_weights() -> None:
    config = load_config(PointWSSISConfig, "shapes")
    assert list(first_weights(config)) == ["teacher", "refiner", "student"]
    assert first_weights(config)["teacher"] == ("tf_efficientnet_lite0", "offline")
    ready = load_config(PointWSSISConfig, "shapes", ["teacher.ready=/a", "refiner.ready=/b"])
    assert list(first_weights(ready)) == ["student"]
