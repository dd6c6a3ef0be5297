"""The application in this process: real networks, real HTTP, no Ray."""

import asyncio
import io
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
import uvicorn
from fastapi import FastAPI
from PIL import Image
from wssis_serve.backend import Backend
from wssis_serve.config import ServeConfig
from wssis_serve.coordinator import Coordinator
from wssis_serve.engines.models import find_models
from wssis_serve.http.api import create_api
from wssis_serve.replicas import Labeller, Student

from ray_wssis.data.builtin.shapes import draw_image
from ray_wssis.session import free_port
from tests.support.tiny_run import write_run, write_semantic_run

STARTS_WITHIN = 180  # seconds

MakeApi = Callable[..., FastAPI]


class Here:
    """A single replica that is an object of this process."""

    def __init__(self, replica: Any) -> None:
        self.replica = replica

    async def ask(self, method: str, *args: Any) -> Any:
        return await getattr(self.replica, method)(*args)

    async def tell(self, method: str, *args: Any) -> list[Any]:
        return [await self.ask(method, *args)]


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run to serve, which no test changes."""
    return write_run(tmp_path_factory.mktemp("served") / "run")


@pytest.fixture(scope="session")
def semantic_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of a semantic recipe to serve, which no test changes."""
    return write_semantic_run(tmp_path_factory.mktemp("served") / "semantic")


@pytest.fixture(scope="session")
def image() -> bytes:
    """A PNG of 160 x 160 pixels."""
    buffer = io.BytesIO()
    Image.fromarray(draw_image(0, seed=0, size=160)[0]).save(buffer, format="PNG")
    return buffer.getvalue()


def backend_here(config: ServeConfig) -> Backend:
    """Student, labeller and coordinator as objects of this process."""
    coordinator = Here(Coordinator(config))
    student = Student(config, coordinator)
    asyncio.run(student.start())
    labeller = None
    if find_models(config.model).teacher is not None:
        labeller = Labeller(config, coordinator)
        asyncio.run(labeller.start())
    return Backend(
        student=Here(student),
        labeller=None if labeller is None else Here(labeller),
        coordinator=coordinator,
        timeout_s=config.timeout_s,
    )


@pytest.fixture
def make_api(run_folder: Path) -> MakeApi:
    """`make_api(max_points=3)` is the application with other values of its configuration."""

    def make(**values: Any) -> FastAPI:
        config = ServeConfig(**{"model": str(run_folder)} | values)
        return create_api(config, backend_here(config))

    return make


@contextmanager
def listening(api: FastAPI) -> Iterator[str]:
    """The address of a server of `api` in a thread of this process."""
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(api, port=port, log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    url = f"http://127.0.0.1:{port}"
    for _ in range(10 * STARTS_WITHIN):
        if server.started:
            break
        thread.join(0.1)
    yield url
    server.should_exit = True
    thread.join(STARTS_WITHIN)


@pytest.fixture(scope="session")
def served(run_folder: Path) -> Iterator[str]:
    """The address of a server with everything at its default."""
    config = ServeConfig(model=str(run_folder))
    with listening(create_api(config, backend_here(config))) as url:
        yield url


@pytest.fixture(scope="session")
def mapping(semantic_run: Path) -> Iterator[str]:
    """The address of a server of a semantic student, with everything at its default."""
    config = ServeConfig(model=str(semantic_run))
    with listening(create_api(config, backend_here(config))) as url:
        yield url


@pytest.fixture
def mapper(mapping: str) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=mapping, timeout=60) as client:
        yield client


@pytest.fixture
def client(served: str) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=served, timeout=60) as client:
        yield client
