"""Each training stage while its worker is killed: the figures of the undisturbed small run.

A real worker of the teacher is killed; what is special about each learner, its state, is written
and read in this process.
"""

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
from tests.support.killed_here import assert_continues
from tests.support.made import make
from tests.support.small_run import SMALL, Submitted, part_of
from tests.support.training_workers import held_in_a_step, training_workers
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow

BEFORE = {
    "teacher": ["split"],
    "refiner": ["split", "teacher", "rough_masks"],
    "student": ["split", "teacher", "rough_masks", "refiner", "labels", "audit", "merged"],
}


def figures(stage: Path) -> list[dict[str, float]]:
    """The log without times."""
    of_time = {"images_per_second", "seconds_per_step", "network_share"}
    return [{k: line[k] for k in line.keys() - of_time} for line in read_metrics(UPath(stage))]


def test_a_killed_worker_changes_no_figure(
    small_run: Submitted, ray_session: None, tmp_path: Path
) -> None:
    made, undisturbed = tmp_path / "teacher", small_run.folder / "teacher"
    first_lines: list[dict[str, float]] = []

    def kill_it() -> None:
        wait_until((made / RUN / SNAPSHOT).exists)  # a checkpoint that Ray Train knows
        with held_in_a_step():
            first_lines.append(read_metrics(UPath(made))[0])
            (worker,) = training_workers()
            os.kill(worker, signal.SIGKILL)

    config = load_config(PointWSSISConfig, "shapes", SMALL)
    killer = threading.Thread(target=kill_it)
    killer.start()
    make(config, part_of(small_run.folder, tmp_path, BEFORE["teacher"]), until="teacher")
    killer.join()
    assert read_metrics(UPath(made))[:1] == first_lines  # with its times: not made again
    for line, expected in zip(figures(made), figures(undisturbed), strict=True):
        assert line == pytest.approx(expected, rel=1e-4)
    weights = load_file(made / "model/model.safetensors")
    for name, values in load_file(undisturbed / "model/model.safetensors").items():
        np.testing.assert_allclose(weights[name], values, atol=1e-6)


@pytest.mark.parametrize("stage", ["refiner", "student"])
def test_every_learner_continues_from_its_state(
    stage: str, small_run: Submitted, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = [f"{stage}.training.{change}" for change in ("steps=4", "batch_size=2")]
    config = load_config(PointWSSISConfig, "shapes", [*SMALL, *short])
    assert_continues(config, stage, small_run.folder, BEFORE[stage], monkeypatch)
