"""Everything that a training run needs to continue as if nothing had happened, on disk."""

import io
from dataclasses import dataclass
from pathlib import Path

import ray.train
import torch
from torch import nn
from upath import UPath

from ray_wssis.models.compiler import without_compiler
from ray_wssis.training.folder import STATE
from ray_wssis.training.running_mean import RunningMean


@dataclass
class State:
    """The content of a checkpoint."""

    learner: nn.Module
    optimizer: torch.optim.Optimizer
    mean: RunningMean | None
    step: int = 0  # the last one done
    best: float = float("-inf")  # best value of the task's best metric

    @property
    def model(self) -> nn.Module:
        """The learner to validate and save."""
        return self.learner if self.mean is None else self.mean.learner

    def update(self, step: int) -> None:
        """Finish a step whose gradients are there."""
        with without_compiler():  # torch looks for it at each step
            self.optimizer.step()
        if self.mean is not None:
            self.mean.update(self.learner, step)
        self.step = step

    def write(self, folder: Path) -> None:
        state = {
            "step": self.step,
            "best": self.best,
            "learner": self.learner.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }
        if self.mean is not None:
            state["mean"] = self.mean.learner.state_dict()
        buffer = io.BytesIO()  # torch would hide what is wrong with a disk
        torch.save(state, buffer)
        (folder / STATE).write_bytes(buffer.getbuffer())

    def restore(self, device: torch.device, rescued: str | None) -> None:
        """Continue from the last checkpoint, if there is one: Ray Train's, else `rescued`."""
        checkpoint = ray.train.get_checkpoint()
        if checkpoint is not None:
            with checkpoint.as_directory() as folder:
                content = (Path(folder) / STATE).read_bytes()
        elif rescued is not None:
            content = (UPath(rescued) / STATE).read_bytes()
        else:
            return
        state = torch.load(io.BytesIO(content), map_location=device, weights_only=True)
        self.learner.load_state_dict(state["learner"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self.mean is not None:
            self.mean.learner.load_state_dict(state["mean"])
        self.step, self.best = state["step"], state["best"]
