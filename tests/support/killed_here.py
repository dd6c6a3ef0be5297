"""Trainings in this process whose worker is killed half-way, and another takes its place."""

import json
from collections import deque
from pathlib import Path

import numpy as np
import pytest
import ray.train
import torch
from safetensors.numpy import load_file
from upath import UPath

from ray_wssis.run_config import RunConfig
from ray_wssis.storage import write_json
from ray_wssis.training.config import TrainingConfig, TrainingWorkers
from ray_wssis.training.task import Task
from tests.support.in_process import fresh_state, steps_until
from tests.support.made import make
from tests.support.small_run import part_of


def train_undisturbed(
    task: Task, config: TrainingConfig, seed: int, workers: TrainingWorkers, folder: UPath
) -> None:
    state = fresh_state(task, config, seed)
    deque(steps_until(config.steps, state, task, config, seed), maxlen=0)
    write_json(folder / "figures.json", task.validate(state.model))
    task.save(state.model, folder / "model")


def train_killed(
    task: Task, config: TrainingConfig, seed: int, workers: TrainingWorkers, folder: UPath
) -> None:
    """Leave a checkpoint half-way, and continue with other weights and another optimiser."""
    killed, checkpoint = fresh_state(task, config, seed), folder / "checkpoint"
    deque(steps_until(config.steps // 2, killed, task, config, seed), maxlen=0)
    checkpoint.mkdir()
    killed.write(Path(str(checkpoint)))

    other = fresh_state(task, config, seed + 1)
    other.restore(torch.device("cpu"), str(checkpoint))
    assert other.step == config.steps // 2
    deque(steps_until(config.steps, other, task, config, seed), maxlen=0)
    write_json(folder / "figures.json", task.validate(other.model))
    task.save(other.model, folder / "model")


def assert_continues(
    config: RunConfig, stage: str, run: Path, before: list[str], patch: pytest.MonkeyPatch
) -> None:
    """Check that a stage after these finished ones of a run leaves the same, killed or not."""
    patch.setattr(ray.train, "get_checkpoint", lambda: None)
    folders = []
    for train in (train_undisturbed, train_killed):
        patch.setattr("ray_wssis.training.run.train", train)
        folder = part_of(run, run.parent / f"{stage}_{train.__name__}", before)
        make(config, folder, until=stage)
        folders.append(folder / stage)
    undisturbed, killed = (load_file(folder / "model/model.safetensors") for folder in folders)
    for name, values in undisturbed.items():
        np.testing.assert_allclose(killed[name], values, atol=1e-6)
    expected, found = (json.loads((folder / "figures.json").read_text()) for folder in folders)
    assert found == pytest.approx(expected, rel=1e-4, nan_ok=True)
