"""Processes with networks: student and labeller.

They are plain objects: Ray Serve makes replicas of them (`wssis_serve.app`), tests use them as
they are.
"""

import asyncio
import logging
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any, Generic, TypeVar

import torch

from ray_wssis.models.device import best_device
from wssis_serve.backend import Replicas
from wssis_serve.config import ReplicaConfig, ServeConfig
from wssis_serve.engines.choice import (
    StudentEngine,
    hasten,
    open_point_engine,
    open_student_engine,
)
from wssis_serve.engines.images import Decoded
from wssis_serve.engines.models import ServedModels, find_models
from wssis_serve.engines.points import PointEngine
from wssis_serve.errors import ApiError
from wssis_serve.micro_batcher import MicroBatcher
from wssis_serve.segmented import Mapped, PointQuery, Question, Segmented

SIDE_THREADS = 4  # that decode and encode beside the network

logger = logging.getLogger(__name__)

Engine = TypeVar("Engine", StudentEngine, PointEngine)
Result = TypeVar("Result")
Query = tuple[StudentEngine, Decoded]
Inferred = tuple[Any, float, int]  # when the network started, and images in its pass


class NetworkReplica(Generic[Engine]):
    """A process with networks, which can be exchanged while it answers."""

    def __init__(
        self, config: ServeConfig, workers: ReplicaConfig, coordinator: Replicas, passes: int = 1
    ) -> None:
        self.config = config
        self.coordinator = coordinator
        self.prepared: tuple[str, Engine] | None = None
        threads = workers.threads or max(1, len(os.sched_getaffinity(0)) // 2)
        # OpenMP threads belong to the thread that calls: one that calls the network has that many,
        # and each of those beside it has one, so that they do not compete for the cores.
        self.beside = ThreadPoolExecutor(
            SIDE_THREADS, initializer=torch.set_num_threads, initargs=(1,)
        )
        self.network = ThreadPoolExecutor(
            passes, initializer=torch.set_num_threads, initargs=(threads,)
        )
        # Another model is loaded and tried while requests are answered by this one.
        self.loading = ThreadPoolExecutor(1, initializer=torch.set_num_threads, initargs=(threads,))
        # Choosing what runs a network may take a minute, and the next model must not wait for that.
        self.choosing = ThreadPoolExecutor(
            1, initializer=torch.set_num_threads, initargs=(threads,)
        )

    def load(self, models: ServedModels) -> Engine:
        raise NotImplementedError

    async def start(self) -> None:
        """Load the model that is served now."""
        self.engine: Engine = await self.read(await self.coordinator.ask("chosen"))

    async def read(self, model: str) -> Engine:
        """Load a model and try it on an image.  Raises ValueError if it cannot answer."""

        def work() -> Engine:
            engine = self.load(find_models(model))
            engine.attempt()
            return engine

        try:
            return await run(self.loading, work)
        except Exception as error:  # whatever a damaged file leads to
            raise ValueError(f"{model} cannot be loaded: {found_wrong(error)}") from error

    async def prepare(self, model: str) -> None:
        """Load another model beside the one that is served.  Raises ValueError if it cannot be."""
        self.prepared = model, await self.read(model)

    async def forget(self) -> None:
        """Drop the prepared model: another replica cannot load it."""
        self.prepared = None

    async def switch(self, model: str) -> None:
        """Serve the prepared model.  Images under way are finished with the old one."""
        if self.prepared is None or self.prepared[0] != model:  # this replica is younger than it
            await self.prepare(model)
        assert self.prepared is not None
        self.engine, self.prepared = self.prepared[1], None

    async def describe(self) -> dict[str, Any]:
        return self.engine.describe()


class Student(NetworkReplica[StudentEngine]):
    """Finds instances, or draws class maps.

    Images that arrive while it is busy share a pass of the network.
    """

    def __init__(self, config: ServeConfig, coordinator: Replicas) -> None:
        workers = config.student
        passes = workers.passes or (1 if best_device().type == "cuda" else 2)
        super().__init__(config, workers, coordinator, passes)
        self.infer = MicroBatcher(self.infer_batch, workers.batch_size, passes)

    def load(self, models: ServedModels) -> StudentEngine:
        engine = open_student_engine(models, self.config)
        if self.config.runtime == "onnx":
            hasten(engine, "onnx")
        return engine

    async def hasten(self) -> None:
        """Find out what runs the network fastest; requests are answered meanwhile."""
        engine = self.engine

        def work() -> None:
            if engine is self.engine:  # no other model is served meanwhile
                hasten(engine, "auto")

        if self.config.runtime == "auto":
            await run(self.choosing, work)
        logger.info("%s: %s", engine.name.hash, engine.runtime.why)

    async def segment(self, data: bytes, question: Question) -> Segmented | Mapped:
        """The answer for one image, given as the bytes of a file."""
        engine, clock = self.engine, [time.perf_counter()]
        engine.check(question)
        image = await run(self.beside, lambda: engine.decode(data))
        clock.append(time.perf_counter())
        seen, started, batch_size = await self.infer((engine, image))
        clock += [started, time.perf_counter()]
        found = await run(self.beside, lambda: engine.finish(image, seen, question))
        clock.append(time.perf_counter())
        steps = ("decode", "wait", "model", "encode")
        return found.timed(dict(zip(steps, differences(clock), strict=True)), batch_size)

    async def infer_batch(self, queries: list[Query]) -> list[Inferred]:
        """The output of the network for each image, with one forward pass per canvas."""

        def work() -> list[Inferred]:
            started = time.perf_counter()
            found: dict[int, Any] = {}
            # During a reload, queries of two engines may be in one batch.
            for engine in {id(engine): engine for engine, _ in queries}.values():
                places = [i for i, (asked, _) in enumerate(queries) if asked is engine]
                seen = engine.infer([queries[i][1] for i in places])
                found |= dict(zip(places, seen, strict=True))
            return [(found[i], started, len(queries)) for i in range(len(queries))]

        return await run(self.network, work)


class Labeller(NetworkReplica[PointEngine]):
    """Draws the masks of points, one image at a time."""

    def __init__(self, config: ServeConfig, coordinator: Replicas) -> None:
        super().__init__(config, config.labeller, coordinator)

    def load(self, models: ServedModels) -> PointEngine:
        return open_point_engine(models, self.config)

    async def masks(
        self, data: bytes | None, image_id: str | None, points: list[PointQuery]
    ) -> Segmented:
        """The mask of each point."""
        engine, asked = self.engine, time.perf_counter()

        def work() -> Segmented:
            clock = [asked, time.perf_counter()]
            drawn = engine.masks(data, image_id, points)
            clock.append(time.perf_counter())
            return drawn.timed(dict(zip(("wait", "model"), differences(clock), strict=True)), 1)

        return await run(self.network, work)


def found_wrong(error: Exception) -> str:
    """The error in words; one that is no sentence begins with its kind."""
    if isinstance(error, OSError | RuntimeError | ValueError | ApiError):
        return str(error)
    return f"{type(error).__name__}: {error}"


async def run(threads: ThreadPoolExecutor, work: Callable[[], Result]) -> Result:
    return await asyncio.get_running_loop().run_in_executor(threads, work)


def differences(clock: list[float]) -> list[float]:
    return [after - before for before, after in pairwise(clock)]
