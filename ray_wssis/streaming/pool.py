"""The division of a cluster between actors with networks and the tasks that feed them."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ray_wssis.streaming.config import LabellingWorkers

DECODE_CPUS = 0.5
WRITE_CPUS = 0.25
TASK_CPUS = 0.8  # left free by the actors: one task of each kind
TASK_IMAGES = 128  # decoded by one task, at most
TASKS_PER_ACTOR = 4  # at least, if there are enough images


@dataclass(frozen=True, kw_only=True)
class Pool:
    most: int  # actors
    gpus_each: float
    cpus_each: float
    share_cpu: int | None  # actors that share a node's cores; None: they compute on GPUs
    others: float  # decoding tasks that fit in beside them

    @classmethod
    def of(cls, workers: LabellingWorkers, cluster: dict[str, float], num_nodes: int) -> "Pool":
        """Never gives the actors all CPUs: nobody could decode what they wait for."""
        known_gpus, known_cpus = cluster.get("GPU", 0), cluster.get("CPU", 1)
        gpus = workers.gpus_each
        if gpus is None:
            gpus = 1.0 if known_gpus >= workers.number else 0.0
        most = workers.max_number or (int(known_gpus / gpus) if gpus else workers.number)
        most = max(workers.number, most)
        cpus = min(workers.cpus_each, max(0.0, known_cpus - TASK_CPUS) / most)
        others = max(1.0, (known_cpus - most * cpus) / DECODE_CPUS)
        share = None if gpus else math.ceil(most / num_nodes)
        return cls(most=most, gpus_each=gpus, cpus_each=cpus, share_cpu=share, others=others)

    @property
    def size(self) -> str:
        """The place that an actor needs, in words."""
        gpus = f"{self.gpus_each:g} GPU and " if self.gpus_each else ""
        return f"{gpus}{self.cpus_each:.2g} CPU"

    def fits(self, nodes: Sequence[Mapping[str, float]]) -> bool:
        """Tell whether any node is large enough for an actor when nothing else is there."""
        return any(
            node.get("GPU", 0) >= self.gpus_each and node.get("CPU", 0) >= self.cpus_each
            for node in nodes
        )


def task_size(num_left: int, workers: LabellingWorkers) -> int:
    """Images per decoding task: few enough that every actor has something to do."""
    share = num_left // (TASKS_PER_ACTOR * (workers.max_number or workers.number))
    return max(1, min(TASK_IMAGES, workers.shard_size, share))
