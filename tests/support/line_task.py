"""The smallest task there is, and accidents that happen to it."""

import json
import os
import resource
import signal
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import ray
import ray.train
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from upath import UPath

from ray_wssis.training.streams import Stream

ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])  # workers cannot import tests


@dataclass(frozen=True)
class Points:
    """A straight line with noise; the image ids are the positions."""

    num: int
    bad: int | None

    def __len__(self) -> int:
        return self.num

    def orientations(self) -> NDArray[np.bool_]:
        return np.zeros(self.num, dtype=bool)

    def collate(self, samples: list[tuple[int, NDArray[np.float32]]]) -> "Batch":
        values = np.stack([value for _, value in samples])
        return Batch([index for index, _ in samples], torch.from_numpy(values))

    def sample(self, index: int, rng: np.random.Generator) -> tuple[int, NDArray[np.float32]]:
        if index == self.bad:
            raise ValueError(f"images/{index}.png is cut short")
        x = rng.uniform(-1, 1, 3)
        return index, np.array([*x, x @ [1.0, 2.0, 3.0]], dtype=np.float32)


@dataclass(frozen=True)
class Batch:
    image_ids: list[int]
    values: Tensor  # (B, 4)

    def to(self, device: torch.device) -> "Batch":
        return Batch(self.image_ids, self.values.to(device))


class Learner(nn.Module):
    """A linear layer that has an accident at the fifth call, once, or is slow from there on."""

    calls: Tensor

    def __init__(self, accident: str | None, marker: Path, seconds: float) -> None:
        super().__init__()
        self.line = nn.Linear(3, 1)
        self.register_buffer("calls", torch.zeros(()))
        self.accident, self.marker, self.seconds = accident, marker, seconds

    def forward(self, batches: Mapping[str, Batch]) -> dict[str, Tensor]:
        assert self.training
        self.calls += 1
        errors = {name: self.error(batch) for name, batch in batches.items()}
        if self.accident and self.calls == 5 and not self.marker.exists():
            self.marker.touch()
            if self.accident == "killed":
                os.kill(os.getpid(), signal.SIGKILL)
            if self.accident == "not finite":
                errors = {name: error * float("nan") for name, error in errors.items()}
            if self.accident == "disk full":  # no file may grow: as write(2) says it
                resource.setrlimit(resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))
        if self.accident == "slow" and self.calls >= 5 and not hurry_file(self.marker).exists():
            time.sleep(self.seconds)
        return errors

    def error(self, batch: Batch) -> Tensor:
        found: Tensor = self.line(batch.values[:, :3])[:, 0]
        return (found - batch.values[:, 3]).square().mean()


@dataclass(frozen=True)
class Line:
    """The task of finding the line."""

    marker: Path  # exists once the accident has happened
    accident: str | None = None
    seconds: float = 0.1  # that a step takes when the accident is to be slow
    bad: int | None = None

    name = "line"
    best_metric = "val/closeness"
    made_from: ClassVar[dict[str, Any]] = {}

    def accept(self, folder: UPath) -> None:
        raise ValueError(f"{folder} is no model")

    def streams(self) -> dict[str, Stream]:
        return {"square": Stream(lambda: Points(10, self.bad), 4)}

    def learner(self) -> Learner:
        context = ray.train.get_context()
        if context.get_world_rank() == 0:
            with groups_file(self.marker).open("a") as stream:
                node = ray.get_runtime_context().get_node_id()
                stream.write(f"{context.get_world_size()} {node}\n")
        return Learner(self.accident, self.marker, self.seconds)

    def validate(self, learner: Learner) -> dict[str, float]:
        return {"val/closeness": -float(learner.line.weight.norm())}

    def save(self, learner: Learner, folder: UPath) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "weights.json").write_text(json.dumps(learner.line.weight.tolist()))


class TwoLines(Line):
    """The same line, learnt from two streams; the shorter one repeats."""

    def streams(self) -> dict[str, Stream]:
        return {
            "strong": Stream(partial(Points, 3, None), 2),
            "weak": Stream(partial(Points, 5, None), 4),
        }


def groups_file(marker: Path) -> Path:
    """A line for every group of workers that began: how many, and the node of the first."""
    return marker.with_name("groups")


def hurry_file(marker: Path) -> Path:
    """The file that ends all slowness when it exists."""
    return marker.with_name("hurry")


def weights(folder: Path) -> NDArray[np.float64]:
    return np.array(json.loads((folder / "model/weights.json").read_text()))


def steps_in(folder: Path) -> list[int]:
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [line["step"] for line in lines if "loss" in line]
