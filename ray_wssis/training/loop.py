"""The training loop: what every worker runs.  A learner maps a batch to named losses.

Everything random is a function of the seed and the step, so a run that was killed and goes on
from its last checkpoint ends with the same weights as one that was not.
"""

import errno
import io
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol

import ray.train
import ray.train.torch
import torch
from ray.actor import ActorHandle
from torch import Tensor, nn
from upath import UPath

from ray_wssis.training.config import TrainingConfig
from ray_wssis.training.feeding import batches_from_actors, batches_from_processes
from ray_wssis.training.input_wait import Waiting
from ray_wssis.training.metrics_log import MetricsLog
from ray_wssis.training.schedule import build_optimizer, learning_rate
from ray_wssis.training.stop_signal import Notices
from ray_wssis.training.streams import Samples, StepSampler

STATE = "state.pt"
LOG_EVERY = 10  # steps between lines of the log, and so between waits for the device
DISK_IS_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class Task(Protocol):
    """What is to be learnt, from what, and how to tell whether it was."""

    @property
    def name(self) -> str: ...
    @property
    def best_metric(self) -> str: ...  # one of the figures of `validate`, larger is better
    @property
    def made_from(self) -> Mapping[str, Any]: ...  # all that decides what is learnt

    def accept(self, folder: UPath) -> None: ...  # ValueError: this model cannot be adopted
    def load(self) -> Samples: ...
    def collate(self, samples: list[Any]) -> Any: ...
    def learner(self, samples: Any) -> nn.Module: ...
    def validate(self, learner: Any, samples: Any) -> dict[str, float]: ...
    def save(self, learner: Any, samples: Any, folder: UPath) -> None: ...


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
    samples = task.load()
    learner = task.learner(samples).to(memory_format=torch.channels_last)  # faster everywhere
    if device.type == "cuda" and world > 1:
        learner = nn.SyncBatchNorm.convert_sync_batchnorm(learner)
    replica = ray.train.torch.prepare_model(learner)  # moved to the device, synchronised
    optimizer = build_optimizer(learner, config)
    progress = restore(learner, optimizer, device, setup.rescued)

    steps = range(progress.step + 1, config.steps + 1)
    sampler = StepSampler(samples.orientations(), config.batch_size, setup.seed, steps, rank, world)
    loader = batches(setup, samples, sampler, pin_memory=device.type == "cuda")
    waiting = Waiting(device)
    recorder = Recorder(setup, learner, samples, optimizer, progress, rank, waiting)
    notices = Notices(setup.board)
    learner.train()
    for step, batch in zip(steps, loader, strict=True):
        waiting.end()
        notices.begin(step)
        rate = learning_rate(config, step)
        for group in optimizer.param_groups:
            group["lr"] = rate
        torch.manual_seed(setup.seed * 1_000_003 + step)
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            losses: dict[str, Tensor] = replica(batch.to(device))
        total = torch.stack(list(losses.values())).sum()
        optimizer.zero_grad(set_to_none=True)
        total.backward()
        nn.utils.clip_grad_norm_(learner.parameters(), config.max_grad_norm)
        stop = notices.say_stop()
        save = stop or recorder.is_due(step)
        if step % LOG_EVERY == 0 and notices.say_a_node_leaves():
            save = True
        recorder.note(step, losses, rate, batch.image_ids, save)
        optimizer.step()
        if save:
            recorder.keep(step)
        if stop:
            break
        waiting.begin()
    recorder.close()


def batches(
    setup: Setup, samples: Samples, sampler: StepSampler, pin_memory: bool
) -> Iterator[Any]:
    if setup.loader_actors:
        return batches_from_actors(setup.task, sampler, setup.loader_actors, pin_memory)
    return batches_from_processes(
        samples, setup.task.collate, sampler, setup.loader_workers, pin_memory
    )


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
        samples: Samples,
        optimizer: torch.optim.Optimizer,
        progress: Progress,
        rank: int,
        waiting: Waiting,
    ) -> None:
        self.setup = setup
        self.learner = learner
        self.samples = samples
        self.optimizer = optimizer
        self.progress = progress
        self.folder = UPath(setup.folder)
        self.log = MetricsLog(self.folder, done=progress.step) if rank == 0 else None
        self.pending: list[tuple[int, dict[str, Tensor], float, list[int]]] = []
        self.waiting = waiting
        self.clock = time.monotonic()

    def note(
        self,
        step: int,
        losses: dict[str, Tensor],
        rate: float,
        image_ids: list[int],
        save: bool,
    ) -> None:
        """Remember the losses of a step; those before a checkpoint are looked at first."""
        self.pending.append((step, {k: v.detach() for k, v in losses.items()}, rate, image_ids))
        if step == 1 or step % LOG_EVERY == 0 or save:
            self.flush()

    def flush(self) -> None:
        """Fetch the losses since the last time; NotFiniteError names the first bad step."""
        names = list(self.pending[0][1])
        table = torch.stack(
            [torch.stack([losses[x].float() for x in names]) for _, losses, *_ in self.pending]
        ).tolist()  # the one wait for the device
        seconds, waited = time.monotonic() - self.clock, self.waiting.take()
        for values, (step, _, _, image_ids) in zip(table, self.pending, strict=True):
            if not all(abs(value) < float("inf") for value in values):
                named = ", ".join(f"{n} {v}" for n, v in zip(names, values, strict=True))
                raise NotFiniteError(
                    f"step {step}: the loss is not finite ({named}) on "
                    f"images {image_ids}. The last checkpoint is kept; look at these images and "
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
        figures = task.validate(self.learner, self.samples)
        assert self.log is not None
        self.log.write({"step": self.progress.step} | figures)
        if figures[task.best_metric] > self.progress.best:
            self.progress.best = figures[task.best_metric]
            self.save_model("best")
        return figures

    def save_model(self, name: str) -> None:
        self.setup.task.save(self.learner, self.samples, self.folder / name)

    def close(self) -> None:
        if self.log is not None:
            self.log.close()
