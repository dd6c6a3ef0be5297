"""Where batches are made: in processes beside the network, or by actors on other nodes.

Both give the same batches in the same order, since a sample is a function of its key alone.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import cycle
from typing import Any, Protocol

import cv2
import ray
from ray.exceptions import RayTaskError
from torch.utils.data import DataLoader

from ray_wssis.training.sampling import Collate, Key, Samples, SeededSamples, StepSampler

AHEAD = 2  # batches of each process or actor that are made before they are wanted


class Source(Protocol):
    """What a loader actor needs of a task: samples, and how they become a batch."""

    def load(self) -> Samples: ...
    def collate(self, samples: list[Any]) -> Any: ...


def batches_from_processes(
    samples: Samples, collate: Collate, sampler: StepSampler, number: int, pin_memory: bool
) -> Iterable[Any]:
    """Made by processes of this worker; with none of them, by the worker between its steps."""
    return DataLoader(
        SeededSamples(samples, sampler.seed),
        batch_sampler=sampler,
        collate_fn=collate,
        num_workers=number,
        prefetch_factor=AHEAD if number else None,
        persistent_workers=number > 0,
        pin_memory=pin_memory,
    )


def batches_from_actors(
    source: Source, sampler: StepSampler, number: int, pin_memory: bool
) -> Iterator[Any]:
    """Made by actors on nodes that have CPUs to spare; Ray takes those without a GPU first.

    A thread fetches them, so that a batch is on this node before it is wanted.
    """
    start = LoaderActor.remote  # type: ignore[attr-defined]
    loaders = [start(source, sampler.seed) for _ in range(number)]
    coming: deque[Future[Any]] = deque()
    fetcher = ThreadPoolExecutor(max_workers=1)
    try:
        for loader, keys in zip(cycle(loaders), sampler, strict=False):
            coming.append(fetcher.submit(fetch, loader.batch.remote(keys), pin_memory))
            if len(coming) > AHEAD * number:
                yield coming.popleft().result()
        while coming:
            yield coming.popleft().result()
    finally:
        fetcher.shutdown(wait=False, cancel_futures=True)


def fetch(batch: "ray.ObjectRef[Any]", pin_memory: bool) -> Any:
    """A batch in memory of this process; raises what the actor raised."""
    try:
        made = ray.get(batch)
    except RayTaskError as error:
        raise error.cause from None
    return made.pin_memory() if pin_memory else made


@ray.remote(num_cpus=1, max_restarts=-1, max_task_retries=-1)
class LoaderActor:
    """Where its node goes away, it begins anew on another one and makes again what was lost."""

    def __init__(self, source: Source, seed: int) -> None:
        cv2.setNumThreads(1)  # as Ray lets torch have one: it reserves one CPU
        self.samples = SeededSamples(source.load(), seed)
        self.collate = source.collate

    def batch(self, keys: Sequence[Key]) -> Any:
        return self.collate([self.samples[key] for key in keys])
