"""The training loop: what every worker runs.  A learner maps a batch to named losses.

Everything random is a function of the seed and the step, so a run that was killed and goes on
from its last checkpoint ends with the same weights as one that was not.
"""

import errno
import io
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import ray.train
import ray.train.torch
import torch
from ray.actor import ActorHandle
from torch import Tensor, nn
from upath import UPath

from ray_wssis.training.config import TrainingConfig
from ray_wssis.training.feeding import batches_from_actors, batches_from_processes
from ray_wssis.training.input_wait import InputWait
from ray_wssis.training.metrics_log import MetricsLog
from ray_wssis.training.schedule import build_optimizer, learning_rate
from ray_wssis.training.stop_signal import StopSignal
from ray_wssis.training.streams import LoadedStreams, StepSampler
from ray_wssis.training.task import Batch, Task

STATE = "state.pt"
LOG_EVERY = 10  # steps between lines of the log, and so between waits for the device
DISK_IS_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@dataclass(frozen=True, kw_only=True)
class Setup:
    """What a worker is sent."""

    task: Task
    config: TrainingConfig
    seed: int
    folder: str  # of the stage
    loader_workers: int
    loader_actors: int  # in place of these processes, where it is not 0
    board: ActorHandle[Any]  # where the driver reads progress and the reason of a stop
    rescued: str | None  # a checkpoint to go on from when Ray Train has lost its list


class NotFiniteError(FloatingPointError):
    """The loss became infinite or not a number."""


def learn(sent: "dict[str, ray.ObjectRef[Setup]]") -> None:
    """Run by Ray Train on each worker.

    What a retry cannot mend (a bad picture, a full disk, a loss that is not finite) is written on
    the board, so that the group that Ray starts again ends at once.
    """
    setup = ray.get(sent["setup"])
    torch.set_flush_denormal(True)  # on a CPU, numbers next to zero take many times longer
    if ray.get(setup.board.reason.remote()):
        return
    try:
        run_steps(setup)
    except (ValueError, FloatingPointError, OSError) as error:
        if not isinstance(error, OSError) or error.errno in DISK_IS_FULL:
            ray.get(setup.board.stop.remote(f"{setup.task.name}: {error}"))
        raise


def run_steps(setup: Setup) -> None:
    task, config = setup.task, setup.config
    context = ray.train.get_context()
    rank, world = context.get_world_rank(), context.get_world_size()
    device = ray.train.torch.get_device()
    if device.type == "cuda":
        torch.cuda.set_device(device)
    torch.manual_seed(setup.seed)
    streams = LoadedStreams(task.streams(), setup.seed)
    learner = task.learner().to(memory_format=torch.channels_last)  # faster everywhere
    if device.type == "cuda" and world > 1:
        learner = nn.SyncBatchNorm.convert_sync_batchnorm(learner)
    replica = ray.train.torch.prepare_model(learner)  # moved to the device, synchronised
    optimizer = build_optimizer(learner, config)
    progress = restore(learner, optimizer, device, setup.rescued)

    steps = range(progress.step + 1, config.steps + 1)
    sampler = streams.sampler(steps, rank, world)
    loader = batches_by_step(setup, streams, sampler, pin_memory=device.type == "cuda")
    input_wait = InputWait(device)
    recorder = Recorder(setup, learner, optimizer, progress, rank, input_wait)
    stop_signal = StopSignal(setup.board)
    learner.train()
    for step, batches in zip(steps, loader, strict=True):
        input_wait.end()
        stop_signal.begin(step)
        rate = learning_rate(config, step)
        for group in optimizer.param_groups:
            group["lr"] = rate
        torch.manual_seed(setup.seed * 1_000_003 + step)
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            losses: dict[str, Tensor] = replica(
                {name: batch.to(device) for name, batch in batches.items()}
            )
        total = torch.stack(list(losses.values())).sum()
        optimizer.zero_grad(set_to_none=True)
        total.backward()
        nn.utils.clip_grad_norm_(learner.parameters(), config.max_grad_norm)
        stop = stop_signal.is_last_step()
        save = stop or recorder.is_due(step)
        if step % LOG_EVERY == 0 and stop_signal.node_is_leaving():
            save = True
        recorder.note(step, losses, rate, image_ids(batches), save)
        optimizer.step()
        if save:
            recorder.keep(step)
        if stop:
            break
        input_wait.begin()
    recorder.close()


def batches_by_step(
    setup: Setup, streams: LoadedStreams, sampler: StepSampler, pin_memory: bool
) -> Iterator[dict[str, Batch]]:
    if setup.loader_actors:
        return batches_from_actors(setup.task, setup.seed, sampler, setup.loader_actors, pin_memory)
    return batches_from_processes(streams, sampler, setup.loader_workers, pin_memory)


def image_ids(batches: dict[str, Batch]) -> str:
    """`[3, 1]` of the only stream, `strong [3, 1], weak [7]` of several."""
    if len(batches) == 1:
        return str(next(iter(batches.values())).image_ids)
    return ", ".join(f"{name} {batch.image_ids}" for name, batch in batches.items())


@dataclass
class Progress:
    step: int = 0  # the last one done
    best: float = float("-inf")


def restore(
    learner: nn.Module,
    optimizer: torch.optim.Optimizer,
    device: torch.device,
    rescued: str | None,
) -> Progress:
    """Go on from the last checkpoint, if there is one."""
    checkpoint = ray.train.get_checkpoint()
    if checkpoint is not None:
        with checkpoint.as_directory() as folder:
            content = (Path(folder) / STATE).read_bytes()
    elif rescued is not None:
        content = (UPath(rescued) / STATE).read_bytes()
    else:
        return Progress()
    state = torch.load(io.BytesIO(content), map_location=device, weights_only=True)
    learner.load_state_dict(state["learner"])
    optimizer.load_state_dict(state["optimizer"])
    return Progress(step=state["step"], best=state["best"])


class Recorder:
    """Losses, validation, checkpoints and models of a run; only the first worker writes.

    Losses stay on the device until they are logged or saved: the loop never waits for one step.
    """

    def __init__(
        self,
        setup: Setup,
        learner: nn.Module,
        optimizer: torch.optim.Optimizer,
        progress: Progress,
        rank: int,
        input_wait: InputWait,
    ) -> None:
        self.setup = setup
        self.learner = learner
        self.optimizer = optimizer
        self.progress = progress
        self.folder = UPath(setup.folder)
        self.log = MetricsLog(self.folder, done=progress.step) if rank == 0 else None
        self.pending: list[tuple[int, dict[str, Tensor], float, str]] = []
        self.input_wait = input_wait
        self.clock = time.monotonic()

    def note(
        self,
        step: int,
        losses: dict[str, Tensor],
        rate: float,
        images: str,
        save: bool,
    ) -> None:
        """Remember the losses of a step; those before a checkpoint are looked at first."""
        self.pending.append((step, {k: v.detach() for k, v in losses.items()}, rate, images))
        if step == 1 or step % LOG_EVERY == 0 or save:
            self.flush()

    def flush(self) -> None:
        """Fetch the losses since the last time; NotFiniteError names the first bad step."""
        names = list(self.pending[0][1])
        table = torch.stack(
            [torch.stack([losses[x].float() for x in names]) for _, losses, *_ in self.pending]
        ).tolist()  # the one wait for the device
        seconds, waited = time.monotonic() - self.clock, self.input_wait.take()
        for values, (step, _, _, images) in zip(table, self.pending, strict=True):
            if not all(abs(value) < float("inf") for value in values):
                named = ", ".join(f"{n} {v}" for n, v in zip(names, values, strict=True))
                raise NotFiniteError(
                    f"step {step}: the loss is not finite ({named}) on "
                    f"images {images}. The last checkpoint is kept; look at these images and "
                    f"their masks, or lower the learning rate"
                )
        if self.log is None:
            self.pending = []
            return
        step, _, rate, _ = self.pending[-1]
        means = [sum(column) / len(column) for column in zip(*table, strict=True)]
        line = {
            "step": step,
            "loss": sum(means),
            **{f"loss/{name}": value for name, value in zip(names, means, strict=True)},
            "learning_rate": rate,
            "images_per_second": len(self.pending) * self.setup.config.batch_size / seconds,
            "seconds_per_step": seconds / len(self.pending),
            "network_share": max(0.0, 1 - waited / seconds),
        }
        self.log.write(line)
        self.setup.board.update.remote(self.setup.task.name, self.setup.config.steps, line)
        self.pending = []
        self.clock = time.monotonic()

    def is_due(self, step: int) -> bool:
        """Whether a checkpoint is to be kept of this step, whatever happens meanwhile."""
        config = self.setup.config
        regular = step % config.save_every == 0 or step % config.validate_every == 0
        return regular or step == config.steps or step in config.early

    def keep(self, step: int) -> None:
        """A checkpoint of this step, and what else is due; all workers call this alike."""
        config, self.progress.step = self.setup.config, step
        figures: dict[str, float] = {}
        if self.log is not None:
            if step in config.early:
                self.save_model(f"early_{config.early.index(step) + 1}")
            if step % config.validate_every == 0 or step == config.steps:
                figures = self.validate()
            if step == config.steps:
                self.save_model("model")
            self.learner.train()  # whoever looks at it or saves it stops that
            self.log.flush()
        with TemporaryDirectory() as folder:
            checkpoint = None
            if self.log is not None:
                state = {
                    "step": step,
                    "best": self.progress.best,
                    "learner": self.learner.state_dict(),
                    "optimizer": self.optimizer.state_dict(),
                }
                buffer = io.BytesIO()  # torch would hide what is wrong with a disk
                torch.save(state, buffer)
                (Path(folder) / STATE).write_bytes(buffer.getbuffer())
                checkpoint = ray.train.Checkpoint.from_directory(folder)
            ray.train.report({"step": step} | figures, checkpoint=checkpoint)
        self.clock = time.monotonic()

    def validate(self) -> dict[str, float]:
        task = self.setup.task
        figures = task.validate(self.learner)
        assert self.log is not None
        self.log.write({"step": self.progress.step} | figures)
        if figures[task.best_metric] > self.progress.best:
            self.progress.best = figures[task.best_metric]
            self.save_model("best")
        return figures

    def save_model(self, name: str) -> None:
        self.setup.task.save(self.learner, self.folder / name)

    def close(self) -> None:
        if self.log is not None:
            self.log.close()
