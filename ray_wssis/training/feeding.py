"""Loading of batches: in processes beside the network, or by actors on other nodes.

Both give the same batches in the same order, since a sample is a function of its key alone.
"""

from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import cycle
from typing import Any, Protocol

import cv2
import ray
from ray.exceptions import GetTimeoutError
from torch.utils.data import DataLoader, Dataset

from ray_wssis.training.streams import LoadedStreams, StepKeys, StepSampler, Stream

LOADED_WITHIN = 1800  # seconds that a batch is waited for; its storage may be slow
AHEAD = 2  # batches that each process or actor makes before they are needed
Batches = dict[str, Any]  # by stream


class Source(Protocol):
    """The part of a task that a loader actor needs."""

    def streams(self) -> Mapping[str, Stream]: ...


class BatchesOfStep(Dataset[Any]):
    """The batches of these keys, or the error that prevents them.

    torch and Ray would wrap the exception of another process; a log needs its sentence alone.
    """

    def __init__(self, streams: LoadedStreams) -> None:
        self.streams = streams

    def __getitem__(self, keys: StepKeys) -> Batches | Exception:
        try:
            return self.streams.batches(keys)
        except Exception as error:
            return error


def batches_from_processes(
    streams: LoadedStreams, sampler: StepSampler, number: int, pin_memory: bool
) -> Iterator[Batches]:
    """The batches of each step, made by processes of this worker; with none of them, by the
    worker between its steps.

    Raises the error of a bad sample.
    """
    loader = DataLoader(
        BatchesOfStep(streams),
        sampler=sampler,
        batch_size=None,  # an item is all that a step needs
        collate_fn=as_it_is,
        num_workers=number,
        prefetch_factor=AHEAD if number else None,
        timeout=LOADED_WITHIN if number else 0,
        pin_memory=pin_memory,
    )
    return map(checked, loader)


def as_it_is(batches: Any) -> Any:
    return batches


def checked(batches: Batches | Exception) -> Batches:
    if isinstance(batches, Exception):
        raise batches
    return batches


def batches_from_actors(
    source: Source, seed: int, sampler: StepSampler, number: int, pin_memory: bool
) -> Iterator[Batches]:
    """The batches of each step, made by actors on nodes with CPUs to spare; Ray prefers nodes
    without a GPU.

    A thread fetches them, so that they are on this node before they are needed.  Raises the error
    of a bad sample.
    """
    start = LoaderActor.remote  # type: ignore[attr-defined]
    loaders = [start(source, seed) for _ in range(number)]
    coming: deque[Future[Batches]] = deque()
    fetcher = ThreadPoolExecutor(max_workers=1)
    try:
        for loader, keys in zip(cycle(loaders), sampler, strict=False):
            coming.append(fetcher.submit(fetch, loader.batches.remote(keys), pin_memory))
            if len(coming) > AHEAD * number:
                yield coming.popleft().result()
        while coming:
            yield coming.popleft().result()
    finally:
        fetcher.shutdown(wait=False, cancel_futures=True)


def fetch(reference: "ray.ObjectRef[Any]", pin_memory: bool) -> Batches:
    try:
        batches = checked(ray.get(reference, timeout=LOADED_WITHIN))
    except GetTimeoutError as error:
        raise ValueError(
            f"no batch came from the loader actors for {LOADED_WITHIN} s: no node has a CPU for "
            "them, or the images cannot be read; lower training_workers.loader_actors, or see to "
            "the storage"
        ) from error
    if not pin_memory:
        return batches
    return {name: batch.pin_memory() for name, batch in batches.items()}


@ray.remote(num_cpus=1, max_restarts=-1, max_task_retries=-1)
class LoaderActor:
    """Restarts on another node if its own is lost, and rebuilds the batches that were lost."""

    def __init__(self, source: Source, seed: int) -> None:
        cv2.setNumThreads(1)  # the one CPU that Ray reserves for it; Ray limits torch alike
        self.step = BatchesOfStep(LoadedStreams(source.streams(), seed))

    def batches(self, keys: StepKeys) -> Batches | Exception:
        return self.step[keys]
