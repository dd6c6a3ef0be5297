"""The trace that training leaves: losses, figures, checkpoints and models."""

import time
from pathlib import Path
from tempfile import TemporaryDirectory

import ray.train
import torch
from torch import Tensor
from upath import UPath

from ray_wssis.training.checkpoint import State
from ray_wssis.training.input_wait import InputWait
from ray_wssis.training.metrics_log import MetricsLog
from ray_wssis.training.worker_setup import Setup

LOG_EVERY = 10  # steps between lines of the log, and so between waits for the device


class NotFiniteError(FloatingPointError):
    """The loss became infinite or not a number."""


class Recorder:
    """Logs, validates and saves a run; only the first worker writes.

    Losses stay on the device until they are logged or saved: the loop never waits for one step.
    """

    def __init__(self, setup: Setup, state: State, rank: int, input_wait: InputWait) -> None:
        self.setup = setup
        self.state = state
        self.folder = UPath(setup.folder)
        self.log = MetricsLog(self.folder, done=state.step) if rank == 0 else None
        self.pending: list[tuple[int, dict[str, Tensor], float, str]] = []
        self.input_wait = input_wait
        self.clock = time.monotonic()

    def note(
        self, step: int, losses: dict[str, Tensor], rate: float, images: str, save: bool
    ) -> None:
        """Remember the losses of a step; those before a checkpoint are looked at first."""
        detached = {name: loss.detach() for name, loss in losses.items()}
        self.pending.append((step, detached, rate, images))
        if step == 1 or step % LOG_EVERY == 0 or save:
            self.flush()

    def flush(self) -> None:
        """Fetch the losses since the last time and log their means.

        Raises NotFiniteError that names the first bad step.
        """
        names = list(self.pending[0][1])
        table = torch.stack(
            [
                torch.stack([losses[name].float() for name in names])
                for _, losses, *_ in self.pending
            ]
        ).tolist()  # the one wait for the device
        seconds, waited = time.monotonic() - self.clock, self.input_wait.take()
        for values, (step, _, _, images) in zip(table, self.pending, strict=True):
            if not all(abs(value) < float("inf") for value in values):
                named = ", ".join(f"{n} {v}" for n, v in zip(names, values, strict=True))
                raise NotFiniteError(
                    f"step {step}: the loss is not finite ({named}) on images {images}. The last "
                    f"checkpoint is kept; look at these images and their masks, or lower the "
                    f"learning rate"
                )
        if self.log is not None:
            step, _, rate, _ = self.pending[-1]
            num = len(self.pending)
            means = [sum(column) / num for column in zip(*table, strict=True)]
            line = {
                "step": step,
                "loss": sum(means),
                **{f"loss/{name}": value for name, value in zip(names, means, strict=True)},
                "learning_rate": rate,
                "images_per_second": num * self.setup.config.batch_size / seconds,
                "seconds_per_step": seconds / num,
                "network_share": max(0.0, 1 - waited / seconds),
            }
            self.log.write(line)
            self.setup.board.update.remote(line)
            self.clock = time.monotonic()
        self.pending = []

    def is_due(self, step: int) -> bool:
        """Return whether a checkpoint of this step is planned."""
        config = self.setup.config
        regular = step % config.save_every == 0 or step % config.validate_every == 0
        return regular or step == config.steps or step in config.early

    def keep(self) -> None:
        """Write a checkpoint of the last step, and the models and figures that are due.

        All workers call this at the same step.
        """
        figures = self.models_and_figures() if self.log is not None else {}
        with TemporaryDirectory() as folder:
            checkpoint = None
            if self.log is not None:
                self.state.write(Path(folder))
                checkpoint = ray.train.Checkpoint.from_directory(folder)
            ray.train.report({"step": self.state.step} | figures, checkpoint=checkpoint)
        self.clock = time.monotonic()

    def models_and_figures(self) -> dict[str, float]:
        """Save the models that are due after the last step; return the figures if any are."""
        assert self.log is not None
        config, step = self.setup.config, self.state.step
        figures: dict[str, float] = {}
        if step in config.early:
            self.save_model(f"early_{config.early.index(step) + 1}")
        if step % config.validate_every == 0 or step == config.steps:
            self.setup.board.doing.remote("validating")
            figures = self.setup.task.validate(self.state.model)
            self.log.write({"step": step} | figures)
            self.setup.board.validated.remote({"step": step} | figures)
            self.setup.board.doing.remote("saving")
            if figures[self.setup.task.best_metric] > self.state.best:
                self.state.best = figures[self.setup.task.best_metric]
                self.save_model("best")
        if step == config.steps:
            self.save_model("model")
        self.log.flush()
        return figures

    def save_model(self, name: str) -> None:
        self.setup.task.save(self.state.model, self.folder / name)

    def close(self) -> None:
        if self.log is not None:
            self.log.close()
