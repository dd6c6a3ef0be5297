"""Training on Ray: the same weights however often it is killed, and errors that say what to do."""

import json
import os
import resource
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import ray
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from upath import UPath

from ray_wssis.training.run import RUN, SNAPSHOT, TrainingStopped, TrainingWorkers, rescue, train
from ray_wssis.training.schedule import TrainingConfig

ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])  # workers cannot import tests

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("ray_session")]
CONFIG = TrainingConfig(
    steps=8, batch_size=4, learning_rate=0.1, warmup_steps=0, save_every=2, validate_every=8
)
ONE = TrainingWorkers(cpus_each=1, gpu=False)


@dataclass(frozen=True)
class Points:
    """A straight line with noise; the picture ids are the positions."""

    num: int
    bad: int | None

    def __len__(self) -> int:
        return self.num

    def sample(self, index: int, rng: np.random.Generator) -> tuple[int, NDArray[np.float32]]:
        if index == self.bad:
            raise ValueError(f"pictures/{index}.png is cut short")
        x = rng.uniform(-1, 1, 3)
        return index, np.array([*x, x @ [1.0, 2.0, 3.0]], dtype=np.float32)


@dataclass(frozen=True)
class Batch:
    image_ids: list[int]
    values: Tensor  # (B, 4)

    def to(self, device: torch.device) -> "Batch":
        return Batch(self.image_ids, self.values.to(device))


class Learner(nn.Module):
    """A linear layer to which something happens at the fifth call, once."""

    calls: Tensor

    def __init__(self, accident: str | None, marker: Path) -> None:
        super().__init__()
        self.line = nn.Linear(3, 1)
        self.register_buffer("calls", torch.zeros(()))
        self.accident, self.marker = accident, marker

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        self.calls += 1
        error = (self.line(batch.values[:, :3])[:, 0] - batch.values[:, 3]).square().mean()
        if self.accident and self.calls == 5 and not self.marker.exists():
            self.marker.touch()
            if self.accident == "killed":
                os.kill(os.getpid(), signal.SIGKILL)
            if self.accident == "not finite":
                error = error * float("nan")
            if self.accident == "disk full":  # no file may grow: as write(2) says it
                resource.setrlimit(resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))
        return {"square": error}


@dataclass(frozen=True)
class Line:
    """The task."""

    marker: Path
    accident: str | None = None
    bad: int | None = None

    name = "line"
    best_metric = "val/closeness"

    def load(self) -> Points:
        return Points(10, self.bad)

    def collate(self, samples: list[tuple[int, NDArray[np.float32]]]) -> Batch:
        values = np.stack([value for _, value in samples])
        return Batch([index for index, _ in samples], torch.from_numpy(values))

    def learner(self, samples: Points) -> Learner:
        return Learner(self.accident, self.marker)

    def validate(self, learner: Learner, samples: Points) -> dict[str, float]:
        return {"val/closeness": -float(learner.line.weight.norm())}

    def save(self, learner: Learner, samples: Points, folder: UPath) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "weights.json").write_text(json.dumps(learner.line.weight.tolist()))


def learn(folder: Path, task: Line, workers: TrainingWorkers = ONE) -> NDArray[np.float64]:
    train(task, CONFIG, 0, workers, UPath(folder))
    return np.array(json.loads((folder / "model/weights.json").read_text()))


@pytest.fixture(scope="module")
def undisturbed(ray_session: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("undisturbed")
    learn(folder, Line(folder / "marker"))
    return folder


def weights(folder: Path) -> NDArray[np.float64]:
    return np.array(json.loads((folder / "model/weights.json").read_text()))


def steps_in(folder: Path) -> list[int]:
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [line["step"] for line in lines if "loss" in line]


def test_it_leaves_models_a_log_and_one_checkpoint(undisturbed: Path) -> None:
    assert (undisturbed / "best/weights.json").exists()
    assert steps_in(undisturbed) == [1, 2, 4, 6, 8]
    assert len(list((undisturbed / RUN).glob("checkpoint_*/state.pt"))) == 1


def test_a_killed_worker_costs_nothing_but_time(undisturbed: Path, tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    np.testing.assert_array_equal(
        learn(tmp_path / "run", Line(marker, "killed")), weights(undisturbed)
    )
    assert marker.exists()
    assert steps_in(tmp_path / "run") == [1, 2, 4, 6, 8]  # none twice, none missing


def test_two_workers_learn_what_one_learns(undisturbed: Path, tmp_path: Path) -> None:
    two = TrainingWorkers(number=2, cpus_each=1, gpu=False)
    found = learn(tmp_path / "run", Line(tmp_path / "marker"), two)
    np.testing.assert_allclose(found, weights(undisturbed), rtol=1e-5)


def test_a_loss_that_is_not_finite_stops_and_the_checkpoint_stays(tmp_path: Path) -> None:
    with pytest.raises(TrainingStopped, match=r"step 5: .*square nan.* on images \[\d+, .*kept"):
        learn(tmp_path / "run", Line(tmp_path / "marker", "not finite"))
    (checkpoint,) = (tmp_path / "run" / RUN).glob("checkpoint_*/state.pt")
    state = torch.load(checkpoint, weights_only=True)
    assert state["step"] == 4
    assert all(value.isfinite().all() for value in state["learner"].values())


def test_a_full_disk_stops_with_its_name_and_the_run_can_go_on(
    undisturbed: Path, tmp_path: Path
) -> None:
    task = Line(tmp_path / "marker", "disk full")
    with pytest.raises(TrainingStopped, match=r"line: .*(File too large|No space left)"):
        learn(tmp_path / "run", task)
    np.testing.assert_array_equal(learn(tmp_path / "run", task), weights(undisturbed))


def test_a_corrupt_picture_stops_at_once_with_its_name(tmp_path: Path) -> None:
    with pytest.raises(TrainingStopped, match=r"line: .*pictures/3\.png is cut short"):
        learn(tmp_path / "run", Line(tmp_path / "marker", bad=3))


def test_a_gpu_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="1 training workers want a GPU each, the cluster has 0"):
        learn(tmp_path, Line(tmp_path / "marker"), TrainingWorkers(gpu=True))


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
