"""Other ways than that of `serve.app` to split the work of the student over processes.

    python -m benchmarks.serving_splits door_decodes RUN/student/model --port 8000

`door_decodes` sends pixels at the network's size to the replica, in place of files.  `together` has
HTTP and network in one replica.  `without_ray` is one process of uvicorn, picture by picture: what
Ray Serve costs is seen beside it.
"""

import argparse
import asyncio
import signal
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Event
from typing import Any, cast

import torch
import uvicorn
from fastapi import FastAPI
from ray import serve
from ray.serve import Application
from upath import UPath

from ray_wssis.config import apply_override, check_config
from ray_wssis.methods.point_wssis.segmenter import read_config
from ray_wssis.session import connect
from ray_wssis.stages.label import best_device
from serve.api import create_api
from serve.app import StudentReplica, deployment, network
from serve.backend import Backend, Replicas
from serve.command import NAME, ONE_MACHINE, QUIET
from serve.config import ServeConfig
from serve.desk import Desk
from serve.door import AnyHandle, Handle
from serve.engine import StudentEngine
from serve.models import ServedModels, find_models
from serve.pictures import Decoded, decode
from serve.replicas import SIDE_THREADS, Asked, Detected, Student, run

HOST = "127.0.0.1"


class PixelEngine(StudentEngine):
    """Whoever asks has decoded the picture."""

    def decode(self, data: bytes) -> Decoded:
        return cast(Decoded, data)


class PixelStudentReplica(StudentReplica):
    def load(self, models: ServedModels) -> StudentEngine:
        return PixelEngine(models, self.config, best_device())


class Decoding:
    """Replicas that are sent pixels."""

    def __init__(self, replicas: Replicas, config: ServeConfig) -> None:
        self.replicas = replicas
        sides = read_config(UPath(find_models(config.model).student)).sides
        self.decode = partial(
            decode,
            network_size=sides,
            needs_original=False,
            max_megapixels=config.max_megapixels,
        )
        self.threads = ThreadPoolExecutor(
            SIDE_THREADS, initializer=torch.set_num_threads, initargs=(1,)
        )

    async def ask(self, method: str, *args: Any) -> Any:
        if method == "segment":
            data, *others = args
            args = await run(self.threads, partial(self.decode, data)), *others
        return await self.replicas.ask(method, *args)

    async def tell(self, method: str, *args: Any) -> list[Any]:
        return await self.replicas.tell(method, *args)


@serve.ingress()
class DecodingDoor:
    def __init__(self, config: ServeConfig, student: AnyHandle, desk: AnyHandle) -> None:
        self.config = config
        self.backend = backend(config, Decoding(Handle(student), config), Handle(desk))

    def __serve_build_asgi_app__(self) -> FastAPI:
        return create_api(self.config, self.backend)


class BatchingStudent(Student):
    """As the replica of `serve.app`, but an object inside of another replica."""

    @serve.batch(batch_wait_timeout_s=0)
    async def detect(self, asked: list[Asked]) -> list[Detected]:
        return await self.detect_together(asked)


class Here:
    """An object of this process, asked as if it were replicas."""

    def __init__(self, it: object) -> None:
        self.it = it

    async def ask(self, method: str, *args: Any) -> Any:
        return await getattr(self.it, method)(*args)

    async def tell(self, method: str, *args: Any) -> list[Any]:
        return [await self.ask(method, *args)]


@serve.ingress()
class Together:
    async def __init__(self, config: ServeConfig, desk: AnyHandle) -> None:  # type: ignore[misc]
        self.config = config
        student = BatchingStudent(config, Handle(desk))
        student.detect.set_max_batch_size(config.student.batch_size)  # type: ignore[attr-defined]
        await student.start()
        self.backend = backend(config, Here(student), Handle(desk))

    def __serve_build_asgi_app__(self) -> FastAPI:
        return create_api(self.config, self.backend)


def backend(config: ServeConfig, student: Replicas, desk: Replicas) -> Backend:
    return Backend(student=student, labeller=None, desk=desk, timeout_s=config.timeout_s)


def door_decodes(config: ServeConfig) -> Application:
    desk = deployment(Desk, cpus=0).bind(config)
    student = network(PixelStudentReplica, config.student).bind(config, desk)
    return deployment(DecodingDoor, cpus=0).bind(config, student, desk)


def together(config: ServeConfig) -> Application:
    return deployment(Together, cpus=0).bind(config, deployment(Desk, cpus=0).bind(config))


async def without_ray(config: ServeConfig, port: int) -> None:
    desk = Here(Desk(config))
    student = Student(config, desk)
    await student.start()
    api = create_api(config, backend(config, Here(student), desk))
    await uvicorn.Server(uvicorn.Config(api, HOST, port, log_level="warning")).serve()


def on_ray(application: Application, port: int) -> None:
    """Serve until SIGTERM."""
    stopped = Event()
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    connect()
    serve.start(http_options={"host": HOST, "port": port}, logging_config=QUIET)
    serve.run(application, name=NAME, logging_config=QUIET)
    stopped.wait()
    serve.shutdown()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("split", choices=["door_decodes", "together", "without_ray"])
    parser.add_argument("model", help="folder of a student")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--set", action="append", default=[], help="one value of the ServeConfig")
    options = parser.parse_args()
    values: dict[str, Any] = ONE_MACHINE | {"model": options.model}
    for override in options.set:
        apply_override(values, override)
    config = check_config(ServeConfig, values, "the split")
    match options.split:
        case "door_decodes":
            on_ray(door_decodes(config), options.port)
        case "together":
            on_ray(together(config), options.port)
        case "without_ray":
            asyncio.run(without_ray(config, options.port))


if __name__ == "__main__":
    main()
