"""The process of `wssis serve`: it holds the port, and starts whatever dies.

    supervisor -> node    Ray, and with it the networks
               -> web     HTTP, on the supervisor's socket

The port stays open from the first moment to the last.  While `web` cannot answer, the supervisor
answers by itself: 503, with the time to ask again.
"""

import asyncio
import signal
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from wssis_serve.config import ServeConfig
from wssis_serve.one_machine.child import Child
from wssis_serve.one_machine.stopgap import Stopgap

MOST_DEATHS = 5  # within DEATHS_WITHIN, then there is no use in starting again
DEATHS_WITHIN = 120.0  # seconds
STOP_WITHIN = 20.0
LAST_WORD_WITHIN = 2.0
GIVE_UP_WITHIN = 2.0  # requests in progress are answered with 503 meanwhile

MEMORY = {  # large images go back to the system; otherwise glibc keeps their pages
    "MALLOC_MMAP_THRESHOLD_": str(1 << 24),
    "MALLOC_TRIM_THRESHOLD_": str(1 << 26),
}

Say = Callable[[str], None]  # a line for the operator


class Supervisor:
    """Serves until `stop` is called.  Give it a bound socket."""

    def __init__(
        self, config: ServeConfig, takes_points: bool, listening: socket.socket, say: Say
    ) -> None:
        self.config = config
        self.model = config.model  # that the networks serve, since the last reload
        self.takes_points = takes_points
        self.listening = listening
        self.say = say
        self.stopgap = Stopgap(listening)
        self.over = asyncio.Event()
        self.children: list[Child] = []
        self.deaths: list[float] = []
        self.runtime = ""  # of the student, in words

    def stop(self) -> None:
        """End everything; called again, at once."""
        if self.over.is_set():
            for child in self.children:
                child.send(signal.SIGKILL)
            return
        self.over.set()
        self.say("stopping; press Ctrl-C again to stop at once")

    async def run(self) -> None:
        """Serve.  Raises ValueError, with the reason, if the endpoint cannot start or go on."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.stop)
        self.listening.listen(1024)
        await self.stopgap.open("the endpoint is starting")
        try:
            while not self.over.is_set():
                await self.serve_while_ray_lives()
        finally:
            for child in self.children[::-1]:  # HTTP first: it finishes the requests in progress
                await child.stop(STOP_WITHIN)
            self.stopgap.close()

    async def serve_while_ray_lives(self) -> None:
        """Start Ray and the networks, and serve until they end."""
        config = self.config.model_copy(update={"model": self.model})
        node = await self.start("node", {"config": config.model_dump(mode="json")}, MEMORY)
        said = await self.first_word(node)
        if said is None:
            return
        environment = said["environment"] | {"RAY_ADDRESS": said["ready"]}
        while not (self.over.is_set() or node.ended.done()):
            await self.serve_while_web_lives(node, environment)
        if not self.over.is_set():
            said = None
            with suppress(TimeoutError):
                said = await asyncio.wait_for(node.hear(), LAST_WORD_WITHIN)
            self.children.remove(node)
            self.count_death((said or {}).get("error", "the process that has Ray ended"))

    async def serve_while_web_lives(self, node: Child, environment: dict[str, str]) -> None:
        """Start the HTTP process, and let it answer until it ends, or Ray does."""
        values = {
            "config": self.config.model_dump(mode="json"),
            "takes_points": self.takes_points,
            "socket": self.listening.fileno(),
        }
        web = await self.start("web", values, environment, self.listening.fileno())
        listener = asyncio.create_task(self.listen_to(web))
        over = asyncio.create_task(self.over.wait())
        await asyncio.wait([node.ended, web.ended, over], return_when=asyncio.FIRST_COMPLETED)
        over.cancel()
        if self.over.is_set():
            return  # `run` ends the children, the HTTP process first
        await self.stopgap.open("a process of the endpoint ended and is started again")
        if node.ended.done():
            web.send(signal.SIGUSR1)
            await web.stop(GIVE_UP_WITHIN)
        else:
            self.count_death("the HTTP process ended")
        await listener
        self.children.remove(web)

    async def listen_to(self, web: Child) -> None:
        """Follow what the HTTP process says."""
        while (said := await web.hear()) is not None:
            match said:
                case {"ready": _}:
                    self.stopgap.close()
                    host, port = self.listening.getsockname()[:2]
                    self.say(f"http://{host}:{port}/ is ready; press Ctrl-C to stop")
                case {"chosen": model}:  # for the next start of Ray
                    self.model = model
                case {"runtime": found} if found != self.runtime:
                    self.runtime = found
                    self.say(f"student: {found}")

    async def first_word(self, node: Child) -> dict[str, Any] | None:
        """The address of Ray; None if the server is to stop.  Raises ValueError when it failed."""
        hears = asyncio.create_task(node.hear())
        over = asyncio.create_task(self.over.wait())
        await asyncio.wait([hears, over], return_when=asyncio.FIRST_COMPLETED)
        over.cancel()
        if self.over.is_set():
            hears.cancel()
            return None
        said = hears.result() or {"error": "the process that starts Ray ended without a word"}
        if "error" in said:
            raise ValueError(said["error"])
        return said

    async def start(
        self, name: str, values: dict[str, Any], environment: dict[str, str], *descriptors: int
    ) -> Child:
        child = await Child.start(name, values, environment, descriptors)
        self.children.append(child)
        return child

    def count_death(self, reason: str) -> None:
        """Say that something is started again.  Raises ValueError when it dies again and again."""
        now = time.monotonic()
        self.deaths = [then for then in self.deaths if now - then < DEATHS_WITHIN] + [now]
        if len(self.deaths) > MOST_DEATHS:
            raise ValueError(
                f"{reason}, the death number {len(self.deaths)} within {DEATHS_WITHIN:g} s: the "
                "endpoint stops. See the logs of Ray in /tmp/ray/session_latest/logs, and the "
                "memory of this machine"
            )
        self.say(f"{reason}; starting it again")
