"""Training on Ray: the driver's side.  Starts the workers, watches them, goes on after a crash."""

import io
import json
import logging
import pickle
import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any

import pyarrow.fs
import ray
import ray.train
import torch
from ray.actor import ActorHandle
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy
from upath import UPath

from ray_wssis.logs import run_id
from ray_wssis.session import Terminated, connect, is_lent
from ray_wssis.storage import is_local
from ray_wssis.training.config import TrainingConfig, TrainingWorkers
from ray_wssis.training.folder import RUN
from ray_wssis.training.loop import STATE, Setup, learn
from ray_wssis.training.progress import Board, ProgressPrinter
from ray_wssis.training.streams import check_quotas
from ray_wssis.training.task import Task
from ray_wssis.training.trainer import Trainer

SNAPSHOT = "checkpoint_manager_snapshot.json"
MOST_LOADER_WORKERS = 8  # for each GPU, where it is not configured
RESIZE_EVERY = 60.0  # seconds between looks for room for another worker
logger = logging.getLogger(__name__)

Resources = Mapping[str, float]  # of a node: CPU, GPU


class TrainingStopped(ValueError):
    """Training ended early for a reason that another try would not mend."""


def train(
    task: Task, config: TrainingConfig, seed: int, workers: TrainingWorkers, folder: UPath
) -> None:
    """Train `task`, or go on with it, in `folder`; it then holds `model/`, `best/`, `early_i/`.

    Raises TrainingStopped for a bad picture, a loss that is not finite or a full disk; the last
    checkpoint stays, and the same call goes on from there.  SIGTERM ends it with Terminated, after
    a checkpoint.
    """
    check_quotas(task.streams(), config.batch_size, workers.possible())
    connect()
    gpu = wants_gpu(workers)
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    cpus = workers.cpus_each or (1 if gpu else cpu_share(nodes, workers.most))
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
    numbers = (workers.number, workers.most) if workers.max_number else workers.number
    place, file_system = storage(folder)
    trainer = Trainer(
        learn,
        train_loop_config={"setup": ray.put(setup)},  # only the workers look inside
        scaling_config=ray.train.ScalingConfig(  # type: ignore[call-arg]  # mypy finds that of V1
            num_workers=numbers,  # type: ignore[arg-type]
            elastic_resize_monitor_interval_s=RESIZE_EVERY,
            use_gpu=gpu,
            resources_per_worker={"CPU": cpus},
        ),
        run_config=ray.train.RunConfig(
            name=RUN,
            storage_path=place,
            storage_filesystem=file_system,
            failure_config=ray.train.FailureConfig(max_failures=workers.max_failures),
            checkpoint_config=ray.train.CheckpointConfig(num_to_keep=1),
        ),
    )
    with ProgressPrinter(board, run_id(folder.parent)), heeding_signals(board):
        try:
            trainer.fit()
        except ray.train.TrainingFailedError as error:
            reason = ray.get(board.reason.remote())
            raise TrainingStopped(reason or f"{task.name}: {error}") from error
    if reason := ray.get(board.reason.remote()):
        raise TrainingStopped(reason)


@contextmanager
def heeding_signals(board: ActorHandle[Any]) -> Iterator[None]:
    """SIGTERM lets the workers finish their step and save it, and then is `Terminated`; another
    one waits for nothing.  Ctrl-C is a KeyboardInterrupt again: Ray Train leaves with another
    exception, and its handler stays."""
    terminated = False

    def stop(_: int, __: FrameType | None) -> None:
        nonlocal terminated
        if terminated:
            raise Terminated
        terminated = True
        board.ask_to_stop.remote()
        logger.warning("Told to stop: finishes this step and saves it. Told again, it does not.")

    in_main = threading.current_thread() is threading.main_thread()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    if in_main:
        signal.signal(signal.SIGTERM, stop)
    try:
        yield
    except SystemExit:
        raise KeyboardInterrupt from None
    except Exception:  # whoever was terminated with us, perhaps
        if not terminated:
            raise
    finally:
        if in_main:
            for number, handler in before.items():
                signal.signal(number, handler)
    if terminated:
        raise Terminated


def here() -> NodeAffinitySchedulingStrategy:
    """The driver's node: what runs there is gone when the driver is, and not before."""
    return NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)


def storage(folder: UPath) -> tuple[str, pyarrow.fs.FileSystem | None]:
    """What Ray Train wants to know of a folder.  A bucket is reached as everything else reaches
    it, through fsspec; it must not remember what was there, since others write there too."""
    if is_local(folder):
        return str(folder), None
    unremembering = UPath(str(folder), **folder.storage_options, use_listings_cache=False)
    handler = pyarrow.fs.FSSpecHandler(unremembering.fs)
    return folder.path, pyarrow.fs.PyFileSystem(handler)


def wants_gpu(workers: TrainingWorkers) -> bool:
    """As configured, or else whether there are enough now.

    GPUs that are demanded and missing are waited for in a cluster that may grow: Ray Train asks
    its autoscaler for them.  ValueError in one of our own.
    """
    number = int(ray.cluster_resources().get("GPU", 0))
    if workers.gpu is None:
        return number >= workers.number
    if workers.gpu and number < workers.number:
        lack = f"{workers.number} training workers want a GPU each, the cluster has {number}"
        if not is_lent():
            raise ValueError(f"{lack}; lower the number of workers or set gpu to false")
        logger.warning("%s: training waits until nodes with GPUs have joined it", lack)
    return workers.gpu


def cpu_share(nodes: Sequence[Resources], number: int) -> int:
    """CPUs for each worker: as many as leave room for all of them on these nodes."""
    cpus = [int(node.get("CPU", 0)) for node in nodes]
    shares = range(max(cpus, default=1), 1, -1)
    return next((x for x in shares if sum(each // x for each in cpus) >= number), 1)


def loader_workers(nodes: Sequence[Resources], workers: TrainingWorkers, gpu: bool) -> int:
    """As configured, or one for each CPU that a GPU's node has for it beside the worker.

    A network that runs on the CPUs leaves none for others.
    """
    if workers.loader_workers is not None or not gpu:
        return workers.loader_workers or 0
    spare = [int(node.get("CPU", 0) / node["GPU"]) - 1 for node in nodes if node.get("GPU")]
    return max(0, min([MOST_LOADER_WORKERS, *spare]))


def check_loader_actors(
    nodes: Sequence[Resources], workers: TrainingWorkers, cpus_each: int, may_grow: bool
) -> None:
    """Raises ValueError where they would wait for a CPU for ever."""
    wanted = workers.number * workers.loader_actors
    spare = int(sum(node.get("CPU", 0) for node in nodes)) - workers.number * cpus_each
    if wanted <= spare:
        return
    lack = (
        f"training_workers.loader_actors wants {wanted} CPUs beside the {cpus_each} of each of "
        f"{workers.number} workers, and the cluster has {max(spare, 0)} left"
    )
    if not may_grow:
        raise ValueError(f"{lack}; lower it or training_workers.cpus_each")
    logger.warning("%s: training waits until nodes with CPUs have joined it", lack)


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
