"""Splits the work of the student over processes in other ways than `wssis serve`.

    python -m benchmarks.serving_splits ingress_decodes RUN/student/model --port 8000

`ingress_decodes` sends pixels at the network's size to the replica, instead of files.
`one_process` has HTTP and network in one process, without Ray.  `serve_ingress` is the application
as on a cluster, behind the proxy of Ray Serve.
"""

import argparse
import asyncio
import signal
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Event
from typing import Any, cast

import ray
import torch
import uvicorn
from ray import serve
from upath import UPath
from wssis_serve.app import CoordinatorReplica, StudentReplica, build, deployment, network
from wssis_serve.backend import Backend, Replicas
from wssis_serve.command import ONE_MACHINE
from wssis_serve.config import ServeConfig
from wssis_serve.coordinator import Coordinator
from wssis_serve.engines.images import Decoded, decode
from wssis_serve.engines.instance import InstanceEngine
from wssis_serve.engines.models import ServedModels, find_models
from wssis_serve.http.api import create_api
from wssis_serve.ingress import COORDINATOR, replicas_of
from wssis_serve.one_machine.node import NAME, QUIET
from wssis_serve.replicas import SIDE_THREADS, Student, run

from ray_wssis.config import apply_override, check_config
from ray_wssis.instance.segmenter_config import read_config
from ray_wssis.models.device import best_device
from ray_wssis.session import connect

HOST = "127.0.0.1"


class PixelEngine(InstanceEngine):
    """An engine whose caller has decoded the image."""

    def decode(self, data: bytes) -> Decoded:
        return cast(Decoded, data)


class PixelStudentReplica(StudentReplica):
    def load(self, models: ServedModels) -> InstanceEngine:
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


class Here:
    """An object of this process that is asked as replicas are."""

    def __init__(self, replica: object) -> None:
        self.replica = replica

    async def ask(self, method: str, *args: Any) -> Any:
        return await getattr(self.replica, method)(*args)

    async def tell(self, method: str, *args: Any) -> list[Any]:
        return [await self.ask(method, *args)]


def ingress_decodes(config: ServeConfig, port: int) -> None:
    connect()
    serve.start(proxy_location="Disabled", logging_config=QUIET)
    student = network(PixelStudentReplica, config.student).bind(config)
    serve.run(
        deployment(CoordinatorReplica, cpus=0).bind(config, student), name=NAME, route_prefix=None
    )
    pixels = Decoding(replicas_of("PixelStudent", NAME), config)
    listen(config, pixels, replicas_of(COORDINATOR, NAME), port)
    ray.shutdown()


def one_process(config: ServeConfig, port: int) -> None:
    coordinator = Here(Coordinator(config))
    student = Student(config, coordinator)
    asyncio.run(student.start())
    listen(config, Here(student), coordinator, port)


def serve_ingress(config: ServeConfig, port: int) -> None:
    connect()
    serve.start(http_options={"host": HOST, "port": port}, logging_config=QUIET)
    serve.run(build(config.model_dump(mode="json")), name=NAME)
    stopped = Event()
    signal.signal(signal.SIGINT, lambda *_: stopped.set())
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    stopped.wait()
    ray.shutdown()


def listen(config: ServeConfig, student: Replicas, coordinator: Replicas, port: int) -> None:
    backend = Backend(
        student=student, labeller=None, coordinator=coordinator, timeout_s=config.timeout_s
    )
    uvicorn.run(create_api(config, backend), host=HOST, port=port, log_level="warning")


WAYS = {
    "ingress_decodes": ingress_decodes,
    "one_process": one_process,
    "serve_ingress": serve_ingress,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("split", choices=WAYS)
    parser.add_argument("model", help="folder of a student")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--set", action="append", default=[], help="one value of the ServeConfig")
    options = parser.parse_args()
    values: dict[str, Any] = ONE_MACHINE | {"model": options.model}
    for override in options.set:
        apply_override(values, override)
    WAYS[options.split](check_config(ServeConfig, values, "--set"), options.port)


if __name__ == "__main__":
    main()
