"""What runs in the processes with networks: student and labeller.

Plain objects: Ray Serve makes replicas of them (`wssis_serve.app`), tests use them as they are.
"""

import asyncio
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any, Generic, TypeVar

import torch

from ray_wssis.data.records import Category
from ray_wssis.models.device import best_device
from ray_wssis.models.solov2_inference import Detections
from wssis_serve.backend import PointQuery, Replicas, Segmented
from wssis_serve.config import ReplicaConfig, ServeConfig
from wssis_serve.engines.images import Decoded
from wssis_serve.engines.instance import PointEngine, StudentEngine
from wssis_serve.micro_batcher import Together
from wssis_serve.models import ServedModels, find_models

SIDE_THREADS = 4  # that decode and encode beside the network

Engine = TypeVar("Engine", StudentEngine, PointEngine)
Made = TypeVar("Made")
Asked = tuple[StudentEngine, Decoded]
Detected = tuple[Detections, float, int]  # when the network began, and pictures in its pass


class NetworkReplica(Generic[Engine]):
    """A process with networks, which can be exchanged while it answers."""

    def __init__(self, config: ServeConfig, workers: ReplicaConfig, desk: Replicas) -> None:
        self.config = config
        self.desk = desk
        self.prepared: tuple[str, Engine] | None = None
        threads = workers.threads or max(1, len(os.sched_getaffinity(0)) // 2)
        # Threads of OpenMP belong to the thread that calls: one that calls the network has them
        # all, and those beside it one each, so that they do not fight for the cores.
        self.beside = ThreadPoolExecutor(
            SIDE_THREADS, initializer=torch.set_num_threads, initargs=(1,)
        )
        self.network = ThreadPoolExecutor(1, initializer=torch.set_num_threads, initargs=(threads,))

    def load(self, models: ServedModels) -> Engine:
        raise NotImplementedError

    async def start(self) -> None:
        """Load the model that is served now."""
        self.engine: Engine = await self.read(await self.desk.ask("chosen"))

    async def read(self, model: str) -> Engine:
        return await run(self.network, lambda: self.load(find_models(model)))

    async def prepare(self, model: str) -> None:
        """Load another model beside the one that is served.  ValueError when that is no model."""
        try:
            self.prepared = model, await self.read(model)
        except (OSError, RuntimeError, KeyError, ValueError) as error:
            raise ValueError(f"{model} cannot be loaded: {error}") from error

    async def switch(self, model: str) -> None:
        """Serve the model that was prepared.  Pictures under way are finished with the old one."""
        if self.prepared is None or self.prepared[0] != model:  # this replica started meanwhile
            await self.prepare(model)
        assert self.prepared is not None
        self.engine, self.prepared = self.prepared[1], None

    async def classes(self) -> tuple[Category, ...]:
        return self.engine.categories

    async def describe(self) -> dict[str, Any]:
        return self.engine.describe()


class Student(NetworkReplica[StudentEngine]):
    """Finds instances; pictures that come while it is busy go through the network together."""

    def __init__(self, config: ServeConfig, desk: Replicas) -> None:
        super().__init__(config, config.student, desk)
        self.detect = Together(self.detect_together, config.student.batch_size)

    def load(self, models: ServedModels) -> StudentEngine:
        return StudentEngine(models, self.config, best_device())

    async def segment(self, data: bytes, threshold: float, max_instances: int) -> Segmented:
        """The instances of one picture, given as the bytes of a file."""
        engine, clock = self.engine, [time.perf_counter()]
        picture = await run(self.beside, lambda: engine.decode(data))
        clock.append(time.perf_counter())
        seen, started, batch_size = await self.detect((engine, picture))
        clock += [started, time.perf_counter()]
        found = await run(
            self.beside, lambda: engine.finish(picture, seen, threshold, max_instances)
        )
        clock.append(time.perf_counter())
        steps = ("decode", "wait", "model", "encode")
        return found.timed(dict(zip(steps, differences(clock), strict=True)), batch_size)

    async def detect_together(self, asked: list[Asked]) -> list[Detected]:
        """One forward pass for the pictures of each canvas."""

        def work() -> list[Detected]:
            started = time.perf_counter()
            seen: dict[int, Detections] = {}
            for engine in {id(engine): engine for engine, _ in asked}.values():  # more in a reload
                places = [i for i, each in enumerate(asked) if each[0] is engine]
                seen |= dict(zip(places, engine.detect([asked[i][1] for i in places]), strict=True))
            return [(seen[i], started, len(asked)) for i in range(len(asked))]

        return await run(self.network, work)


class Labeller(NetworkReplica[PointEngine]):
    """Draws the masks of points, one picture at a time."""

    def __init__(self, config: ServeConfig, desk: Replicas) -> None:
        super().__init__(config, config.labeller, desk)

    def load(self, models: ServedModels) -> PointEngine:
        if models.teacher is None:
            raise ValueError(f"{models.student} has no teacher and refiner beside it")
        return PointEngine(models, self.config, best_device())

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


def share(num_threads: int) -> None:
    """So many threads of OpenMP for what the calling thread computes."""
    torch.set_num_threads(num_threads)


async def run(threads: ThreadPoolExecutor, work: Callable[[], Made]) -> Made:
    return await asyncio.get_running_loop().run_in_executor(threads, work)


def differences(clock: list[float]) -> list[float]:
    return [after - before for before, after in pairwise(clock)]
