"""The process that speaks HTTP, on a socket that its supervisor opened: an image passes through
two processes fewer than behind Ray Serve's proxy.

    {"config": {...}, "takes_points": true, "socket": 5} -> {"ready": true}
"""

import asyncio
import logging
import os
import signal
import socket
from contextlib import suppress

import ray
import uvicorn

from wssis_serve.backend import Backend
from wssis_serve.config import ServeConfig
from wssis_serve.errors import ApiError
from wssis_serve.http.api import create_api
from wssis_serve.ingress import backend_of
from wssis_serve.one_machine.child import given, say
from wssis_serve.one_machine.node import NAME
from wssis_serve.segmented import UNDECIDED

FINISH_WITHIN = 10  # seconds for requests in progress when the server stops
MOST_HEADER_BYTES = 1 << 15
LOOK_EVERY = 1.0
LOOK_FOR = 600  # times


def main() -> None:
    values = given()
    config = ServeConfig.model_validate(values["config"])
    logging.getLogger("ray.serve").setLevel(logging.WARNING)
    ray.init(address=os.environ["RAY_ADDRESS"], log_to_driver=False, logging_level=logging.WARNING)
    backend = backend_of(config, values["takes_points"], NAME)
    backend.watchers.append(lambda model: say(chosen=model))
    api = create_api(config, backend)
    served = uvicorn.Config(
        api,
        http="h11",  # it refuses endless headers
        h11_max_incomplete_event_size=MOST_HEADER_BYTES,
        proxy_headers=False,  # a caller does not choose the address that is counted
        log_level="warning",
        timeout_graceful_shutdown=FINISH_WITHIN,
    )
    listening = socket.socket(fileno=values["socket"])
    with asyncio.Runner(loop_factory=served.get_loop_factory()) as runner:  # uvloop
        runner.run(answer(served, listening, backend))
    os._exit(0)  # Ray's own farewell waits for processes that may be gone


async def answer(config: uvicorn.Config, listening: socket.socket, backend: Backend) -> None:
    """Answer until SIGTERM; after SIGUSR1, Ray is gone: nobody waits for it any longer."""
    server = uvicorn.Server(config)

    def give_up() -> None:
        backend.give_up(ApiError(503, "overloaded", "Ray ended and is started again", 5))
        server.should_exit = True

    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, give_up)
    tasks = [asyncio.create_task(work) for work in (tell_when_ready(server), tell_runtime(backend))]
    await server.serve(sockets=[listening])
    for task in tasks:
        task.cancel()


async def tell_when_ready(server: uvicorn.Server) -> None:
    while not server.started:
        await asyncio.sleep(0.01)
    say(ready=True)


async def tell_runtime(backend: Backend) -> None:
    """Say what runs the student's network as soon as that has been measured."""
    for _ in range(LOOK_FOR):
        with suppress(ApiError):
            found = (await backend.models())["models"][0]["runtime"]
            if found != UNDECIDED:
                say(runtime=found)
                return
        await asyncio.sleep(LOOK_EVERY)


if __name__ == "__main__":
    main()
