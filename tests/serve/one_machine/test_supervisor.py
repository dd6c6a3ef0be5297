"""Whatever dies is started again; the children here are pretended."""

import asyncio
import signal
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import pytest
from wssis_serve.config import ServeConfig
from wssis_serve.one_machine.child import Child
from wssis_serve.one_machine.supervisor import MOST_DEATHS, Supervisor

ADDRESS = {"ready": "127.0.0.1:6379", "environment": {"RAY_AUTH_MODE": "token"}}


class Pretended:
    """A child that does as the test says."""

    def __init__(self, name: str, values: Mapping[str, Any], environment: Mapping[str, str]):
        self.name, self.values, self.environment = name, values, environment
        self.words: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        self.ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.signals: list[signal.Signals] = []

    async def hear(self) -> dict[str, Any] | None:
        return await self.words.get()

    def say(self, **what: Any) -> None:
        self.words.put_nowait(what)

    def send(self, number: signal.Signals) -> None:
        self.signals.append(number)

    def die(self) -> None:
        if not self.ended.done():
            self.words.put_nowait(None)
            self.ended.set_result(1)

    async def stop(self, within: float) -> None:
        self.die()


class Scene:
    def __init__(self, watched: Supervisor, started: "asyncio.Queue[Pretended]", lines: list[str]):
        self.supervisor, self.started, self.lines = watched, started, lines

    async def next(self, name: str, **word: Any) -> Pretended:
        """The next child that is started, which says a word."""
        child = await asyncio.wait_for(self.started.get(), 60)
        assert child.name == name
        child.say(**word)
        await asyncio.sleep(0.01)
        return child


def play(monkeypatch: pytest.MonkeyPatch, plot: Callable[[Scene], Awaitable[None]]) -> list[str]:
    """Run a supervisor beside the plot, which ends it.  Returns what it told the operator."""
    lines: list[str] = []

    async def run() -> None:
        started: asyncio.Queue[Pretended] = asyncio.Queue()

        async def start(
            name: str, values: Any, environment: Any, descriptors: Sequence[int] = ()
        ) -> Pretended:
            child = Pretended(name, values, environment)
            started.put_nowait(child)
            return child

        monkeypatch.setattr(Child, "start", start)
        with socket.socket() as listening:
            listening.bind(("127.0.0.1", 0))
            watched = Supervisor(ServeConfig(model="old"), True, listening, lines.append)
            task = asyncio.create_task(watched.run())
            await plot(Scene(watched, started, lines))
            await asyncio.wait_for(task, 60)

    asyncio.run(run())
    return lines


def test_an_http_process_that_dies_is_started_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async def plot(scene: Scene) -> None:
        await scene.next("node", **ADDRESS)
        web = await scene.next("web", ready=True)
        assert web.environment == {"RAY_AUTH_MODE": "token", "RAY_ADDRESS": "127.0.0.1:6379"}
        assert scene.supervisor.stopgap.server is None
        web.die()
        second = await scene.next("web", runtime="torch; it is faster")
        assert scene.supervisor.stopgap.server is not None  # it answers until the second one does
        second.say(ready=True)
        await asyncio.sleep(0.01)
        assert scene.supervisor.stopgap.server is None
        scene.supervisor.stop()

    lines = play(monkeypatch, plot)
    assert lines[1:3] == [
        "the HTTP process ended; starting it again",
        "student: torch; it is faster",
    ]
    assert lines[0] == lines[3] and lines[0].endswith("/ is ready; press Ctrl-C to stop")


def test_when_ray_dies_both_start_again_with_the_model_of_the_last_reload(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def plot(scene: Scene) -> None:
        node = await scene.next("node", **ADDRESS)
        web = await scene.next("web", ready=True)
        web.say(chosen="new")
        await asyncio.sleep(0.01)
        node.say(error="raylet of Ray ended")
        node.die()
        second = await scene.next("node", **ADDRESS)
        assert web.signals == [signal.SIGUSR1] and web.ended.done()
        assert second.values["config"]["model"] == "new"
        assert (await scene.next("web", ready=True)).values["config"]["model"] == "old"
        scene.supervisor.stop()

    assert "raylet of Ray ended; starting it again" in play(monkeypatch, plot)


def test_a_start_that_fails_ends_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    async def plot(scene: Scene) -> None:
        (await scene.next("node", error="weights are damaged")).die()

    with pytest.raises(ValueError, match="weights are damaged"):
        play(monkeypatch, plot)


def test_what_dies_again_and_again_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    async def plot(scene: Scene) -> None:
        await scene.next("node", **ADDRESS)
        for _ in range(MOST_DEATHS + 1):
            (await scene.next("web", ready=True)).die()

    with pytest.raises(ValueError, match=f"number {MOST_DEATHS + 1} within 120 s: the endpoint"):
        play(monkeypatch, plot)


def test_a_second_stop_is_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    async def plot(scene: Scene) -> None:
        node = await scene.next("node", **ADDRESS)
        web = await scene.next("web", ready=True)
        scene.supervisor.stop()
        scene.supervisor.stop()
        assert node.signals == web.signals == [signal.SIGKILL]

    assert play(monkeypatch, plot)[-1] == "stopping; press Ctrl-C again to stop at once"
