"""Shares of a cluster: GPUs, CPUs and loaders of each training worker."""

import logging
from collections.abc import Mapping, Sequence

import ray

from ray_wssis.session import is_lent
from ray_wssis.training.config import TrainingWorkers

MOST_LOADER_WORKERS = 8  # for each GPU, unless configured
logger = logging.getLogger(__name__)

Resources = Mapping[str, float]  # CPU and GPU of a node


def wants_gpu(workers: TrainingWorkers) -> bool:
    """Decide whether each worker gets a GPU: as configured, else if the cluster has enough now.

    A cluster that may grow is waited for: Ray Train asks its autoscaler for the missing GPUs.
    Raises ValueError in a cluster of our own.
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


def place_of(workers: TrainingWorkers) -> tuple[bool, int]:
    """Return whether each worker gets a GPU, and its CPUs."""
    gpu = wants_gpu(workers)
    return gpu, workers.cpus_each or (1 if gpu else cpu_share(nodes_alive(), workers.most))


def nodes_alive() -> list[Resources]:
    return [node["Resources"] for node in ray.nodes() if node["Alive"]]


def cpu_share(nodes: Sequence[Resources], number: int) -> int:
    """CPUs for each of `number` workers: as many as leave room for all of them on these nodes."""
    cpus = [int(node.get("CPU", 0)) for node in nodes]
    shares = range(max(cpus, default=1), 1, -1)
    return next((share for share in shares if sum(num // share for num in cpus) >= number), 1)


def loader_workers(nodes: Sequence[Resources], workers: TrainingWorkers, gpu: bool) -> int:
    """Loader processes of each worker: as configured, else one for each CPU that a GPU's node has
    for it beside the worker.

    A network that runs on the CPUs leaves none for others.
    """
    if workers.loader_workers is not None or not gpu:
        return workers.loader_workers or 0
    spare = [int(node.get("CPU", 0) / node["GPU"]) - 1 for node in nodes if node.get("GPU")]
    return max(0, min([MOST_LOADER_WORKERS, *spare]))


def check_loader_actors(
    nodes: Sequence[Resources], workers: TrainingWorkers, cpus_each: int, may_grow: bool
) -> None:
    """Raise ValueError if loader actors would wait for a CPU for ever."""
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
