import pytest
import torch
from torch import nn

from ray_wssis.training.schedule import TrainingConfig, build_optimizer, learning_rate


def test_the_published_steps_warm_up_and_drop() -> None:
    config = TrainingConfig(
        steps=30_001, learning_rate=0.05, warmup_steps=3000, drops=(20_000, 25_000)
    )
    assert learning_rate(config, 1) == pytest.approx(0.05 * (0.01 + 0.99 / 3000))
    assert learning_rate(config, 3000) == pytest.approx(0.05)
    assert learning_rate(config, 20_000) == pytest.approx(0.05)
    assert learning_rate(config, 20_001) == pytest.approx(0.005)
    assert learning_rate(config, 25_001) == pytest.approx(0.0005)


def test_the_cosine_ends_at_its_final_factor() -> None:
    config = TrainingConfig(steps=100, warmup_steps=0, schedule="cosine", final_factor=0.1)
    rates = [learning_rate(config, step) for step in range(1, 101)]
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] == pytest.approx(0.1 * config.learning_rate)
    assert learning_rate(config, 50) == pytest.approx(0.55 * config.learning_rate)


@pytest.mark.parametrize("name", ["sgd", "adamw"])
def test_norms_are_not_decayed_and_frozen_parameters_are_left_out(name: str) -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.GroupNorm(2, 4), nn.BatchNorm2d(4))
    network[0].weight.requires_grad_(False)
    config = TrainingConfig.model_validate({"steps": 1, "optimizer": name, "weight_decay": 0.5})
    decayed, spared = build_optimizer(network, config).param_groups
    assert [p.shape for p in decayed["params"]] == [torch.Size([4])]  # the bias
    assert decayed["weight_decay"] == 0.5
    assert len(spared["params"]) == 4
    assert spared["weight_decay"] == 0


def test_an_early_model_after_the_last_step_is_refused() -> None:
    with pytest.raises(ValueError, match=r"early \[11\]: .* among the 10"):
        TrainingConfig(steps=10, early=(5, 11))
