"""Where batches are made: in processes beside the network, or by actors on other nodes.

Both give the same batches in the same order, since a sample is a function of its key alone.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import cycle
from typing import Any, Protocol

import cv2
import ray
from torch.utils.data import DataLoader, Dataset

from ray_wssis.training.streams import Collate, Key, Samples, SeededSamples, StepSampler

AHEAD = 2  # batches of each process or actor that are made before they are wanted


class Source(Protocol):
    """What a loader actor needs of a task: samples, and how they become a batch."""

    def load(self) -> Samples: ...
    def collate(self, samples: list[Any]) -> Any: ...


class Batches(Dataset[Any]):
    """The batch of these keys, or why there is none: torch and Ray would wrap what is raised in
    another process, and who reads the log wants the sentence."""

    def __init__(self, samples: Samples, collate: Collate, seed: int) -> None:
        self.samples = SeededSamples(samples, seed)
        self.collate = collate

    def __getitem__(self, keys: Sequence[Key]) -> Any:
        try:
            return self.collate([self.samples[key] for key in keys])
        except Exception as error:
            return error


def batches_from_processes(
    samples: Samples, collate: Collate, sampler: StepSampler, number: int, pin_memory: bool
) -> Iterator[Any]:
    """Made by processes of this worker; with none of them, by the worker between its steps.

    Raises whatever was wrong with a sample.
    """
    loader = DataLoader(
        Batches(samples, collate, sampler.seed),
        sampler=sampler,
        batch_size=None,  # each item is a batch already
        collate_fn=as_it_is,
        num_workers=number,
        prefetch_factor=AHEAD if number else None,
        pin_memory=pin_memory,
    )
    return map(usable, loader)


def as_it_is(batch: Any) -> Any:
    return batch


def usable(batch: Any) -> Any:
    if isinstance(batch, Exception):
        raise batch
    return batch


def batches_from_actors(
    source: Source, sampler: StepSampler, number: int, pin_memory: bool
) -> Iterator[Any]:
    """Made by actors on nodes that have CPUs to spare; Ray takes those without a GPU first.

    A thread fetches them, so that a batch is on this node before it is wanted.  Raises whatever
    was wrong with a sample.
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
    made = usable(ray.get(batch))
    return made.pin_memory() if pin_memory else made


@ray.remote(num_cpus=1, max_restarts=-1, max_task_retries=-1)
class LoaderActor:
    """Where its node goes away, it begins anew on another one and makes again what was lost."""

    def __init__(self, source: Source, seed: int) -> None:
        cv2.setNumThreads(1)  # as Ray lets torch have one: it reserves one CPU
        self.batches = Batches(source.load(), source.collate, seed)

    def batch(self, keys: Sequence[Key]) -> Any:
        return self.batches[keys]
