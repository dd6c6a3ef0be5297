"""Each training stage while its processes are killed: the figures of an undisturbed one."""

import json
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from ray_wssis.config import load_config
from ray_wssis.recipes.point_wssis import PointWSSIS, PointWSSISConfig
from ray_wssis.training.run import RUN
from tests.small_run import SMALL, Submitted, part_of
from tests.stages.slow_run import wait_until

pytestmark = pytest.mark.slow

BEFORE = {
    "teacher": ["split"],
    "refiner": ["split", "teacher", "rough"],
    "student": ["split", "teacher", "rough", "refiner", "labels", "audit", "merged"],
}
MORE = ["training.steps=6", "training.save_every=2"]


def train(stage: str, small_run: Submitted, folder: Path) -> Path:
    """The folder of a stage that two workers made in a run where all before it is finished."""
    changes = [*SMALL, "training_workers={number: 2, cpus_each: 1}"]
    before = load_config(PointWSSISConfig, "shapes", changes)
    after = load_config(PointWSSISConfig, "shapes", [*changes, *(f"{stage}.{x}" for x in MORE)])
    run = PointWSSIS(before, part_of(small_run.folder, folder, BEFORE[stage]))
    for name in BEFORE[stage]:
        getattr(run, "data" if name == "split" else name)  # finished, and read before the change
    run.config = after
    getattr(run, stage)
    return folder / stage


def figures(stage: Path) -> list[dict[str, Any]]:
    """The log without times."""
    lines = [json.loads(line) for line in (stage / "metrics.jsonl").read_text().splitlines()]
    return [{k: x for k, x in line.items() if "second" not in k} for line in lines]


def ancestors(pid: int) -> Iterator[int]:
    while pid > 1:
        pid = int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
        yield pid


def training_workers() -> list[int]:
    """Process ids of the training workers of this process's own Ray."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes()
            ours = b"RayTrainWorker" in command and os.getpid() in ancestors(int(folder.name))
        except (FileNotFoundError, ProcessLookupError):
            continue  # ended meanwhile
        found += [int(folder.name)] * ours
    return found


@pytest.mark.parametrize("stage", BEFORE)
def test_a_killed_worker_changes_no_figure(
    stage: str, small_run: Submitted, ray_session: None, tmp_path: Path
) -> None:
    killed: list[int] = []

    def kill_one() -> None:
        states = tmp_path / "killed" / stage / RUN
        wait_until(lambda: any(states.glob("checkpoint_*/state.pt")))
        killed.append(max(training_workers()))
        os.kill(killed[0], signal.SIGKILL)

    killer = threading.Thread(target=kill_one)
    killer.start()
    made = train(stage, small_run, tmp_path / "killed")
    killer.join()
    assert killed
    undisturbed = train(stage, small_run, tmp_path / "undisturbed")
    for line, expected in zip(figures(made), figures(undisturbed), strict=True):
        assert line == pytest.approx(expected, rel=1e-4)
    weights = load_file(made / "model/model.safetensors")
    for name, values in load_file(undisturbed / "model/model.safetensors").items():
        np.testing.assert_allclose(weights[name], values, atol=1e-6)
