"""Training on clusters whose nodes come and go: the same weights."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from upath import UPath

from ray_wssis.training.config import TrainingWorkers
from ray_wssis.training.run import train
from tests.support.line_task import Line, groups_file, weights
from tests.support.nodes import CONFIG, LOST_NODES_ARE_MISSED_SOON
from tests.support.small_run import ROOT

pytestmark = pytest.mark.slow
ENVIRONMENT = {
    "RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S": "10",
    "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "1",
    "RAY_TRAIN_PREEMPTION_POLL_INTERVAL_S": "0.5",
    **LOST_NODES_ARE_MISSED_SOON,
}


@pytest.fixture(scope="module")
def undisturbed(ray_session: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("undisturbed")
    task = Line(folder / "marker")
    config = CONFIG.model_copy(update={"save_every": CONFIG.steps})
    train(task, config, 0, TrainingWorkers(cpus_each=1, gpu=False), UPath(folder))
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("nodes")


@pytest.fixture(scope="module")
def played(folder: Path) -> "subprocess.CompletedProcess[str]":
    """All scenarios, on one cluster; the first that fails is the last."""
    return subprocess.run(
        [sys.executable, "-m", "tests.support.nodes", str(folder)],
        cwd=ROOT,
        env=os.environ | ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
        timeout=1000,
    )


@pytest.mark.parametrize(
    ("scenario", "groups"),
    [
        ("lost", [2, 2, 2]),  # one with a worker goes away for another, then one that is announced
        ("elastic", [1, 2, 1]),  # one comes, and then the first one goes away
    ],
)
def test_a_node_that_comes_or_goes_changes_nothing(
    scenario: str,
    groups: list[int],
    undisturbed: Path,
    folder: Path,
    played: "subprocess.CompletedProcess[str]",
) -> None:
    place = folder / scenario
    assert (place / "run/model").exists(), f"not finished, or not reached:\n{played.stderr}"
    np.testing.assert_allclose(weights(place / "run"), weights(undisturbed), rtol=1e-5)
    lines = groups_file(place / "marker").read_text().splitlines()
    assert [int(line.split()[0]) for line in lines] == groups
