"""Training on Ray: the driver's side.  Starts the workers, watches them, goes on after a crash."""

import io
import json
import pickle
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import ray
import ray.train
import torch
from pydantic import Field
from ray.train.torch import TorchTrainer
from upath import UPath

from ray_wssis.config import Config
from ray_wssis.session import connect
from ray_wssis.training.loop import STATE, Setup, Task, learn
from ray_wssis.training.metrics_log import NAME, TENSORBOARD
from ray_wssis.training.progress import Board, ProgressPrinter
from ray_wssis.training.schedule import TrainingConfig

RUN = "ray_train"  # the folder in which Ray Train keeps checkpoints
LOGS = (NAME, TENSORBOARD, RUN)  # what tells of times, and differs from run to run
SNAPSHOT = "checkpoint_manager_snapshot.json"


class TrainingStopped(ValueError):
    """Training ended early for a reason that another try would not mend."""


class TrainingWorkers(Config):
    """How training is shared out.  It never changes what is learnt."""

    number: int = Field(default=1, ge=1)
    gpu: bool | None = None  # one GPU a worker; null: if the cluster has enough
    cpus_each: int | None = Field(default=None, ge=1)  # null: all there are, shared; 1 with a GPU
    loader_workers: int = Field(default=0, ge=0)  # processes that read pictures, per worker
    max_failures: int = Field(default=3, ge=-1)  # crashed workers that are made up for


def train(
    task: Task, config: TrainingConfig, seed: int, workers: TrainingWorkers, folder: UPath
) -> None:
    """Train `task`, or go on with it, in `folder`; it then holds `model/`, `best/`, `early_i/`.

    Raises TrainingStopped for a bad picture, a loss that is not finite or a full disk; the last
    checkpoint stays, and the same call goes on from there.
    """
    connect()
    gpu = wants_gpu(workers)
    board = Board.remote()  # type: ignore[attr-defined]
    setup = Setup(
        task=task,
        config=config,
        seed=seed,
        folder=str(folder),
        loader_workers=workers.loader_workers,
        board=board,
        rescued=rescue(folder / RUN),
    )
    trainer = TorchTrainer(
        learn,
        train_loop_config={"setup": setup},
        scaling_config=ray.train.ScalingConfig(
            num_workers=workers.number,
            use_gpu=gpu,
            resources_per_worker={"CPU": workers.cpus_each or (1 if gpu else cpu_share(workers))},
        ),
        run_config=ray.train.RunConfig(
            name=RUN,
            storage_path=str(folder),
            failure_config=ray.train.FailureConfig(max_failures=workers.max_failures),
            checkpoint_config=ray.train.CheckpointConfig(num_to_keep=1),
        ),
    )
    with ProgressPrinter(board), plain_interrupt():
        try:
            trainer.fit()
        except ray.train.TrainingFailedError as error:
            reason = ray.get(board.reason.remote())
            raise TrainingStopped(reason or f"{task.name}: {error}") from error
    if reason := ray.get(board.reason.remote()):
        raise TrainingStopped(reason)


@contextmanager
def plain_interrupt() -> Iterator[None]:
    """Ctrl-C is a KeyboardInterrupt again: Ray Train leaves with another, and its handler stays."""
    before = signal.getsignal(signal.SIGINT)
    try:
        yield
    except SystemExit:
        raise KeyboardInterrupt from None
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, before)


def wants_gpu(workers: TrainingWorkers) -> bool:
    """As configured; ValueError where a GPU is asked for and the cluster has too few."""
    available = int(ray.cluster_resources().get("GPU", 0))
    if workers.gpu and available < workers.number:
        raise ValueError(
            f"{workers.number} training workers want a GPU each, the cluster has {available}; "
            f"lower the number of workers or set gpu to false"
        )
    return available >= workers.number if workers.gpu is None else workers.gpu


def cpu_share(workers: TrainingWorkers) -> int:
    return max(1, int(ray.cluster_resources().get("CPU", 1)) // workers.number)


def rescue(run: UPath) -> str | None:
    """Make a run folder usable whose list of checkpoints was cut short by a kill or a full disk.

    Ray Train refuses to start with a broken list.  It is moved out of the way, and the newest
    checkpoint that can be read is returned, to go on from there.
    """
    snapshot = run / SNAPSHOT
    if not snapshot.exists():
        return None
    try:
        json.loads(snapshot.read_text())
        return None
    except ValueError:
        snapshot.rename(run / f"{SNAPSHOT}.broken")
    for state in sorted(run.glob(f"checkpoint_*/{STATE}"), reverse=True):
        try:
            torch.load(io.BytesIO(state.read_bytes()), map_location="cpu", weights_only=True)
            return str(state.parent)
        except (RuntimeError, EOFError, ValueError, pickle.UnpicklingError):
            continue  # cut short as well; an older one may be whole
    return None
