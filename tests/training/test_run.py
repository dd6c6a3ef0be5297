"""Training on Ray: the same weights however often it is killed, and errors that say what to do."""

import os
import signal
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from upath import UPath

from ray_wssis.session import Terminated
from ray_wssis.training import run
from ray_wssis.training.config import TrainingConfig, TrainingWorkers
from ray_wssis.training.folder import RUN, SNAPSHOT
from ray_wssis.training.metrics_log import read_metrics
from ray_wssis.training.placement import wants_gpu
from ray_wssis.training.rescue import rescue
from ray_wssis.training.run import TrainingStopped, train
from tests.support.line_task import Line, TwoLines, groups_file, hurry_file, steps_in, weights
from tests.support.training_workers import held_in_a_step
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("ray_session")]
CONFIG = TrainingConfig(
    steps=8,
    batch_size=6,
    learning_rate=0.1,
    warmup_steps=0,
    save_every=2,
    validate_every=4,
    early=(2,),
    ema=0.75,
)
ONE_STREAM = CONFIG.model_copy(update={"batch_size": 4, "ema": None})
ONE = TrainingWorkers(cpus_each=1, gpu=False)
TWO = TrainingWorkers(number=2, cpus_each=1, gpu=False)


def learn(
    folder: Path, task: Line, workers: TrainingWorkers = ONE, config: TrainingConfig = CONFIG
) -> NDArray[np.float64]:
    train(task, config, 0, workers, UPath(folder))
    return weights(folder)


@pytest.fixture(scope="module")
def undisturbed(ray_session: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("undisturbed")
    learn(folder, TwoLines(folder / "marker"))
    return folder


def test_it_leaves_models_a_log_and_one_checkpoint(undisturbed: Path) -> None:
    for model in ("early_1", "best", "model"):
        assert (undisturbed / model / "weights.json").exists()
    assert len(groups_file(undisturbed / "marker").read_text().splitlines()) == 1  # of workers
    assert steps_in(undisturbed) == [1, 2, 4, 6, 8]
    assert len(list((undisturbed / RUN).glob("checkpoint_*/state.pt"))) == 1


def test_each_stream_has_its_named_loss(undisturbed: Path) -> None:
    line = read_metrics(UPath(undisturbed))[0]
    assert {name for name in line if "loss" in name} == {"loss", "loss/strong", "loss/weak"}
    assert line["loss"] == line["loss/strong"] + line["loss/weak"]


def test_a_killed_worker_costs_nothing_but_time(undisturbed: Path, tmp_path: Path) -> None:
    """Neither a step nor a place in any stream, and nothing of the mean."""
    task = TwoLines(tmp_path / "marker", "killed")
    found = learn(tmp_path / "run", task)
    np.testing.assert_array_equal(found, weights(undisturbed))
    assert task.marker.exists()
    assert steps_in(tmp_path / "run") == [1, 2, 4, 6, 8]  # none twice, none missing
    checkpoints = (tmp_path / "run" / RUN).glob("checkpoint_*/state.pt")  # the kill may leave one
    states = [torch.load(checkpoint, weights_only=True) for checkpoint in checkpoints]
    state = max(states, key=lambda state: state["step"])
    np.testing.assert_array_equal(found, state["mean"]["line.weight"])
    assert not torch.equal(state["mean"]["line.weight"], state["learner"]["line.weight"])


def test_two_workers_share_each_stream(undisturbed: Path, tmp_path: Path) -> None:
    found = learn(tmp_path / "run", TwoLines(tmp_path / "marker"), TWO)
    np.testing.assert_allclose(found, weights(undisturbed), rtol=1e-5)


def test_quotas_that_cannot_be_shared_are_refused_before_anything_starts(tmp_path: Path) -> None:
    task, workers = TwoLines(tmp_path / "marker"), TrainingWorkers(number=3)
    with pytest.raises(ValueError, match=r"^stream strong takes 2 samples per step"):
        learn(tmp_path / "run", task, workers)
    assert not any(tmp_path.iterdir())


def test_sigterm_keeps_the_step_in_which_it_comes(
    undisturbed: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "run"
    config = CONFIG.model_copy(update={"save_every": 8, "validate_every": 8, "early": ()})
    task = TwoLines(tmp_path / "marker", "slow", seconds=1)

    def send() -> None:
        wait_until(task.marker.exists)
        with held_in_a_step():
            os.kill(os.getpid(), signal.SIGTERM)
            wait_until(lambda: "Stop requested" in caplog.text)
            hurry_file(task.marker).touch()

    sender = threading.Thread(target=send)
    sender.start()
    with pytest.raises(Terminated):
        learn(folder, task, TWO, config)
    sender.join()
    (checkpoint,) = (folder / RUN).glob("checkpoint_*/state.pt")
    step = torch.load(checkpoint, weights_only=True)["step"]
    assert 5 <= step < 8 and steps_in(folder)[-1] == step

    found = learn(folder, task, TWO, config)
    assert steps_in(folder) == [1, step, 8]
    np.testing.assert_allclose(found, weights(undisturbed), rtol=1e-5)


def test_a_loss_that_is_not_finite_stops_and_the_checkpoint_stays(tmp_path: Path) -> None:
    with pytest.raises(TrainingStopped, match=r"step 5: .*square nan.* on images \[\d+, .*kept"):
        learn(tmp_path / "run", Line(tmp_path / "marker", "not finite"), ONE, ONE_STREAM)
    (checkpoint,) = (tmp_path / "run" / RUN).glob("checkpoint_*/state.pt")
    state = torch.load(checkpoint, weights_only=True)
    assert state["step"] == 4
    assert all(value.isfinite().all() for value in state["learner"].values())


def test_a_full_disk_stops_with_its_name_and_the_run_can_go_on(
    undisturbed: Path, tmp_path: Path
) -> None:
    task = TwoLines(tmp_path / "marker", "disk full")
    with pytest.raises(TrainingStopped, match=r"line: .*(File too large|No space left)"):
        learn(tmp_path / "run", task)
    np.testing.assert_array_equal(learn(tmp_path / "run", task), weights(undisturbed))


def test_a_corrupt_image_stops_at_once_with_its_name(tmp_path: Path) -> None:
    with pytest.raises(TrainingStopped, match=r"line: .*images/3\.png is cut short"):
        learn(tmp_path / "run", Line(tmp_path / "marker", bad=3), TWO, ONE_STREAM)


def test_a_gpu_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="1 training workers want a GPU each, the cluster has 0"):
        learn(tmp_path, Line(tmp_path / "marker"), TrainingWorkers(gpu=True), ONE_STREAM)


def test_a_gpu_that_may_come_is_waited_for(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "auto")
    assert wants_gpu(TrainingWorkers(number=2, gpu=True))
    assert "2 training workers want a GPU each, the cluster has 0: training waits" in caplog.text
    assert not wants_gpu(TrainingWorkers(number=2))


def test_a_list_of_checkpoints_that_was_cut_short_is_moved_away(
    undisturbed: Path, tmp_path: Path
) -> None:
    run = UPath(tmp_path)
    for source in UPath(undisturbed / RUN).glob("checkpoint_*/state.pt"):
        whole = source.read_bytes()
    for name, content in (("1", whole), ("2", whole), ("3", whole[:100])):
        (run / f"checkpoint_{name}").mkdir()
        (run / f"checkpoint_{name}/state.pt").write_bytes(content)
    (run / SNAPSHOT).write_text('{"checkpoint_res')
    assert rescue(run) == str(run / "checkpoint_2")
    assert not (run / SNAPSHOT).exists()
    assert rescue(run) is None  # there is no list now, and Ray Train begins one


def test_room_that_never_comes_ends_with_the_patience(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S", "2")
    workers = TrainingWorkers(number=2, cpus_each=3, patience=4)
    words = (
        r"line: no room for 2 workers with 3 CPUs each in 4 s; the cluster has 0 GPUs and 4 CPUs"
    )
    monkeypatch.setattr(run, "check_loader_actors", lambda *_, **__: None)  # it may grow
    with pytest.raises(TrainingStopped, match=words):
        learn(tmp_path / "run", Line(tmp_path / "marker"), workers, ONE_STREAM)
