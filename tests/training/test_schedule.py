import math
from collections.abc import Iterable
from fractions import Fraction

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from ray_wssis.training.config import TrainingConfig
from ray_wssis.training.schedule import build_optimizer, learning_rate, set_rate


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


def test_the_poly_schedule_is_the_published_one() -> None:
    config = TrainingConfig(steps=4, learning_rate=1.0, warmup_steps=0, schedule="poly", power=0.9)
    rates = [learning_rate(config, step) for step in range(1, 5)]
    assert rates == pytest.approx([1.0, 0.7718895, 0.5358867, 0.2871746], abs=1e-7)


def test_the_poly_schedule_begins_after_the_warmup() -> None:
    config = TrainingConfig(
        steps=6, learning_rate=2.0, warmup_steps=2, warmup_factor=0.5, schedule="poly", power=2
    )
    rates = [learning_rate(config, step) for step in range(1, 7)]
    assert rates == pytest.approx([1.5, 2.0, 2.0, 1.125, 0.5, 0.125])


class Grouped(nn.Module):
    """Three layers in two groups; the last one is in none."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(2, 3), nn.LayerNorm(3))
        self.head = nn.Linear(3, 4)
        self.rest = nn.Linear(4, 5, bias=False)

    def parameter_groups(self) -> dict[str, Iterable[nn.Parameter]]:
        return {"backbone": self.body.parameters(), "head": self.head.parameters()}


def test_groups_of_parameters_have_rates_of_their_own() -> None:
    config = TrainingConfig(steps=1, weight_decay=0.5, rate_factors={"backbone": 0.1, "head": 10.0})
    learner = Grouped()
    optimizer = build_optimizer(learner, config)
    set_rate(optimizer, 0.02)
    found = {
        id(parameter): (group["lr"], group["weight_decay"])
        for group in optimizer.param_groups
        for parameter in group["params"]
    }
    assert {name: found[id(p)] for name, p in learner.named_parameters()} == {
        "body.0.weight": (0.002, 0.5),
        "body.0.bias": (0.002, 0.5),
        "body.1.weight": (0.002, 0),
        "body.1.bias": (0.002, 0),
        "head.weight": (0.2, 0.5),
        "head.bias": (0.2, 0.5),
        "rest.weight": (0.02, 0.5),
    }


def test_a_factor_of_an_unknown_group_is_refused() -> None:
    config = TrainingConfig(steps=1, rate_factors={"backbome": 0.1})
    with pytest.raises(
        ValueError,
        match=r"^training\.rate_factors: unknown group backbome, did you mean backbone\? "
        r"Grouped has backbone, head$",
    ):
        build_optimizer(Grouped(), config)
    with pytest.raises(ValueError, match=r"group backbome\. Linear has no groups of parameters$"):
        build_optimizer(nn.Linear(1, 1), config)
    with pytest.raises(ValueError, match="greater than 0"):
        TrainingConfig(steps=1, rate_factors={"head": 0})


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


PUBLISHED = TrainingConfig(
    steps=10_001,
    batch_size=16,
    reference_batch=16,
    learning_rate=0.05,
    warmup_steps=3000,
    drops=(5000, 8000),
    early=(5000, 10_000),
    save_every=5000,
    validate_every=2500,
)


def for_batch(batch_size: int, **changes: object) -> TrainingConfig:
    values = PUBLISHED.model_dump() | {"batch_size": batch_size} | changes
    return TrainingConfig.model_validate(values).scaled_to_batch()


def test_the_reference_batch_has_the_schedule_as_it_stands() -> None:
    assert for_batch(16) == PUBLISHED


def test_half_the_batch_takes_twice_the_steps_at_half_the_rate() -> None:
    half = for_batch(8)
    assert (half.batch_size, half.reference_batch) == (8, 8)
    assert half.learning_rate == pytest.approx(0.025)
    assert (half.steps, half.warmup_steps) == (20_002, 6000)
    assert (half.drops, half.early) == ((10_000, 16_000), (10_000, 20_000))
    assert (half.save_every, half.validate_every) == (10_000, 5000)
    assert half.weight_decay == PUBLISHED.weight_decay


def test_twice_the_batch_takes_half_the_steps_at_twice_the_rate() -> None:
    double = for_batch(32)
    assert double.learning_rate == pytest.approx(0.1)
    assert (double.steps, double.warmup_steps) == (5001, 1500)
    assert (double.drops, double.early) == ((2500, 4000), (2500, 5000))
    assert (double.save_every, double.validate_every) == (2500, 1250)


def test_a_batch_that_is_no_multiple_shows_as_many_samples() -> None:
    odd = for_batch(24)
    assert odd.learning_rate == pytest.approx(0.075)
    assert (odd.steps, odd.drops, odd.early) == (6668, (3333, 5333), (3333, 6666))


def test_the_rate_of_adamw_grows_with_the_square_root_of_the_batch() -> None:
    assert for_batch(4, optimizer="adamw").learning_rate == pytest.approx(0.025)
    assert for_batch(4, optimizer="adamw").steps == 40_004


def test_a_scaled_schedule_is_not_scaled_again() -> None:
    assert for_batch(8).scaled_to_batch() == for_batch(8)


def test_without_a_reference_everything_is_taken_as_it_stands() -> None:
    assert for_batch(8, reference_batch=None).steps == 10_001
    assert for_batch(8, reference_batch=None).learning_rate == 0.05


@given(
    st.integers(1, 300_000),
    st.lists(st.floats(0, 1, exclude_max=True), max_size=3),
    st.fractions(Fraction(1, 50), 50),
)
def test_what_comes_before_the_last_step_still_does(
    steps: int, shares: list[float], factor: Fraction
) -> None:
    places = tuple(max(1, int(share * steps)) for share in shares)
    config = TrainingConfig(steps=steps, warmup_steps=0, drops=places, early=places)
    stretched = config.stretched(factor)
    assert stretched.steps == math.ceil(steps * factor)
    assert len(set(stretched.early)) == len(stretched.early)
    for before, after in zip(places, stretched.drops, strict=True):
        assert 1 <= after <= stretched.steps
        assert after < stretched.steps or before == steps or stretched.steps == 1


def test_models_that_fall_on_one_step_are_one() -> None:
    config = TrainingConfig(steps=24, early=(12, 13), drops=(5, 11))
    assert config.stretched(Fraction(1, 12)).early == (1,)
    assert config.stretched(Fraction(1, 12)).drops == (1, 1)
