"""A state that was written and read continues bit for bit."""

from pathlib import Path

import pytest
import ray.train
import torch
from torch import nn

from ray_wssis.training.checkpoint import State
from ray_wssis.training.config import TrainingConfig
from ray_wssis.training.running_mean import RunningMean
from ray_wssis.training.schedule import build_optimizer

CPU = torch.device("cpu")


def fresh(seed: int) -> State:
    torch.manual_seed(seed)
    learner = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))
    config = TrainingConfig(steps=8, optimizer="adamw")
    return State(learner, build_optimizer(learner, config), RunningMean(learner, 0.75))


def learn(state: State, steps: range) -> None:
    for step in steps:
        torch.manual_seed(step)
        state.optimizer.zero_grad()
        state.learner(torch.randn(5, 3)).square().mean().backward()
        state.update(step)


def test_a_state_continues_where_it_was_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray.train, "get_checkpoint", lambda: None)
    undisturbed = fresh(seed=0)
    learn(undisturbed, range(1, 5))
    undisturbed.best = 0.25
    undisturbed.write(tmp_path)
    learn(undisturbed, range(5, 9))

    resumed = fresh(seed=1)
    resumed.restore(CPU, rescued=str(tmp_path))
    assert (resumed.step, resumed.best) == (4, 0.25)
    learn(resumed, range(5, 9))
    for name, value in undisturbed.learner.state_dict().items():
        assert torch.equal(resumed.learner.state_dict()[name], value), name
    for name, value in undisturbed.model.state_dict().items():
        assert torch.equal(resumed.model.state_dict()[name], value), name


def test_the_mean_is_the_model_if_there_is_one() -> None:
    state = fresh(seed=0)
    assert state.mean is not None and state.model is state.mean.learner
    state.mean = None
    assert state.model is state.learner
