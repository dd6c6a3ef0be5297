"""Training on Ray, the driver's side: starts the workers, watches them, resumes after a crash."""

import logging
import math
import os

import pyarrow.fs
import ray
import ray.train
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy
from upath import UPath

from ray_wssis.logs import run_id
from ray_wssis.session import connect, is_lent
from ray_wssis.shared_folder import check_shared, working_nodes
from ray_wssis.storage import is_local
from ray_wssis.training.config import TrainingConfig, TrainingWorkers
from ray_wssis.training.folder import RUN
from ray_wssis.training.metrics_log import describe_best, read_metrics
from ray_wssis.training.placement import (
    check_loader_actors,
    loader_workers,
    nodes_alive,
    place_of,
)
from ray_wssis.training.progress import Board, ProgressPrinter
from ray_wssis.training.rescue import rescue
from ray_wssis.training.stop_signal import stop_when_asked
from ray_wssis.training.streams import check_quotas
from ray_wssis.training.task import Task
from ray_wssis.training.trainer import Trainer, work
from ray_wssis.training.worker_setup import Setup

LOOKS_FOR_ROOM = 60.0  # seconds, the default of Ray Train
RESIZE_EVERY = 60.0  # seconds between looks for room for another worker

logger = logging.getLogger(__name__)


class TrainingStopped(ValueError):
    """Training ended early for a reason that another try would not fix."""


def train(
    task: Task, config: TrainingConfig, seed: int, workers: TrainingWorkers, folder: UPath
) -> None:
    """Train `task` in `folder`, or continue; it then holds `model/`, `best/` and `early_i/`.

    Raises ValueError for quotas that workers cannot share, and TrainingStopped for a bad image, a
    loss that is not finite or a full disk; the last checkpoint is kept, and the same call
    continues from it.  Ctrl-C ends it with KeyboardInterrupt and SIGTERM with
    Terminated, both after a checkpoint.
    """
    check_quotas(task.streams(), config.batch_size, workers.possible())
    connect()
    check_shared(folder)
    gpu, cpus = place_of(workers)
    nodes = nodes_alive()
    check_loader_actors(nodes, workers, cpus, may_grow=is_lent())
    board = Board.options(scheduling_strategy=here()).remote()  # type: ignore[attr-defined]
    setup = Setup(
        task=task,
        config=config,
        seed=seed,
        folder=str(folder),
        loader_workers=loader_workers(nodes, workers, gpu),
        loader_actors=workers.loader_actors,
        board=board,
        rescued=rescue(folder / RUN),
    )
    progress = ProgressPrinter(board, run_id(folder.parent), task.name, config.steps)
    with progress, stop_when_asked(board):
        try:
            trainer(setup, workers, gpu, cpus).fit()
        except ray.train.TrainingFailedError as error:
            if reason := ray.get(board.reason.remote()):
                raise TrainingStopped(reason) from error
            reason = no_room(error, workers, gpu, cpus) or str(error)
            raise TrainingStopped(f"{task.name}: {reason}") from error
    if reason := ray.get(board.reason.remote()):
        raise TrainingStopped(reason)
    if best := describe_best(read_metrics(folder), task.best_metric):
        logger.info("%s: %s", task.name, best)


def no_room(
    error: ray.train.TrainingFailedError, workers: TrainingWorkers, gpu: bool, cpus: int
) -> str | None:
    """Explain an error that came because there was no room for the workers; None for others."""
    if "startup timed out" not in str(error):
        return None
    place = f"{'1 GPU and ' if gpu else ''}{cpus} CPUs"
    return (
        f"no room for {workers.number} workers with {place} each in {workers.patience:.0f} s; the "
        f"cluster has {ray.cluster_resources().get('GPU', 0):.0f} GPUs and "
        f"{ray.cluster_resources().get('CPU', 0):.0f} CPUs. Start nodes, ask for less "
        "(training_workers), or raise training_workers.patience if nodes come later; the same "
        "command continues from the last checkpoint"
    )


def tries(patience: float) -> int:
    """Count how often Ray Train may look for room, for a while each time."""
    each = float(os.environ.get("RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S", LOOKS_FOR_ROOM))
    return math.ceil(patience / each)


def trainer(setup: Setup, workers: TrainingWorkers, gpu: bool, cpus: int) -> Trainer:
    """Ray Train with `cpus` for each worker, and its checkpoints in the folder of the stage."""
    numbers = (workers.number, workers.most) if workers.max_number else workers.number
    place, file_system = storage(UPath(setup.folder))
    return Trainer(
        work,
        board=setup.board,
        name=setup.task.name,
        train_loop_config={"setup": ray.put(setup)},  # only the workers look inside
        scaling_config=ray.train.ScalingConfig(  # type: ignore[call-arg]  # mypy finds that of V1
            num_workers=numbers,  # type: ignore[arg-type]
            elastic_resize_monitor_interval_s=RESIZE_EVERY,
            use_gpu=gpu,
            resources_per_worker={"CPU": cpus},
            label_selector=working_nodes() or None,
        ),
        run_config=ray.train.RunConfig(
            name=RUN,
            storage_path=place,
            storage_filesystem=file_system,
            failure_config=ray.train.FailureConfig(  # type: ignore[call-arg]  # as above
                max_failures=workers.max_failures,
                controller_failure_limit=tries(workers.patience) - 1,
            ),
            checkpoint_config=ray.train.CheckpointConfig(num_to_keep=1),
        ),
    )


def here() -> NodeAffinitySchedulingStrategy:
    """The driver's node: an actor there ends with the driver, and not before."""
    return NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)


def storage(folder: UPath) -> tuple[str, pyarrow.fs.FileSystem | None]:
    """The folder as Ray Train takes it.

    A bucket is reached through fsspec, like everywhere here; listings are not cached, since other
    processes write there too.
    """
    if is_local(folder):
        return str(folder), None
    uncached = UPath(str(folder), **folder.storage_options, use_listings_cache=False)
    return folder.path, pyarrow.fs.PyFileSystem(pyarrow.fs.FSSpecHandler(uncached.fs))
