"""Each training stage while its processes are killed: the figures of an undisturbed one."""

import os
import signal
import threading
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file
from upath import UPath

from ray_wssis.config import load_config
from ray_wssis.recipes.point_wssis_config import PointWSSISConfig
from ray_wssis.training.folder import RUN, SNAPSHOT
from ray_wssis.training.metrics_log import read_metrics
from tests.support.made import make
from tests.support.small_run import SMALL, Submitted, part_of
from tests.support.training_workers import training_workers
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow

BEFORE = {
    "teacher": ["split"],
    "refiner": ["split", "teacher", "rough_masks"],
    "student": ["split", "teacher", "rough_masks", "refiner", "labels", "audit", "merged"],
}
MORE = ["training.steps=6", "training.save_every=2"]


def train(stage: str, small_run: Submitted, folder: Path) -> Path:
    """Make a stage with two workers in a run where all before it is finished; its folder."""
    changes = [*SMALL, "training_workers={number: 2, cpus_each: 1}"]
    config = load_config(PointWSSISConfig, "shapes", [*changes, *(f"{stage}.{x}" for x in MORE)])
    make(config, part_of(small_run.folder, folder, BEFORE[stage]), until=stage)
    return folder / stage


def figures(stage: Path) -> list[dict[str, float]]:
    """The log without times."""
    of_time = {"images_per_second", "seconds_per_step", "network_share"}
    return [{k: line[k] for k in line.keys() - of_time} for line in read_metrics(UPath(stage))]


@pytest.mark.parametrize("stage", BEFORE)
def test_a_killed_worker_changes_no_figure(
    stage: str, small_run: Submitted, ray_session: None, tmp_path: Path
) -> None:
    first_lines: list[dict[str, float]] = []

    def kill_one() -> None:
        folder = tmp_path / "killed" / stage
        wait_until((folder / RUN / SNAPSHOT).exists)  # a checkpoint that Ray Train knows
        first_lines.append(read_metrics(UPath(folder))[0])
        os.kill(max(training_workers()), signal.SIGKILL)

    killer = threading.Thread(target=kill_one)
    killer.start()
    made = train(stage, small_run, tmp_path / "killed")
    killer.join()
    assert read_metrics(UPath(made))[:1] == first_lines  # with its times: not made again
    undisturbed = train(stage, small_run, tmp_path / "undisturbed")
    for line, expected in zip(figures(made), figures(undisturbed), strict=True):
        assert line == pytest.approx(expected, rel=1e-4)
    weights = load_file(made / "model/model.safetensors")
    for name, values in load_file(undisturbed / "model/model.safetensors").items():
        np.testing.assert_allclose(weights[name], values, atol=1e-6)
