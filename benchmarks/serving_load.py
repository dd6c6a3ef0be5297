"""Clients of an endpoint, and the endpoint that they ask: for `serving` and `serving_faults`.

The clients are a process of their own, so that they do not share Python's lock with a server; they
do share its CPUs.  It is this module: a `Load` goes in, the answers come out, both as JSON.
"""

import asyncio
import json
import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import cv2
import httpx2

from benchmarks.timing import significant
from ray_wssis.data.shapes import draw_picture
from ray_wssis.session import free_port

HOST = "127.0.0.1"
START_WITHIN = 180.0  # seconds
STOP_WITHIN = 60.0
ANSWER_WITHIN = 90.0
WARM = 1.0  # seconds of a load that are not counted
PAUSE = 0.02  # seconds after a connection that broke
SERVE = ("ray_wssis.cli", "serve")


@dataclass(frozen=True, kw_only=True)
class Load:
    """Clients that ask again as soon as they are answered."""

    url: str
    clients: int
    seconds: float
    picture: str | None = None  # file that is sent
    form: dict[str, str] = field(default_factory=dict)  # its other fields; none: no form is sent
    patient: bool = False  # a client that is refused waits for as long as it is told


@dataclass(frozen=True, kw_only=True)
class Answer:
    begin: float  # Unix time
    end: float
    status: int  # 0: the connection broke, or nothing came
    retry_after: float | None

    @property
    def ms(self) -> float:
        return 1000 * (self.end - self.begin)


class Clients:
    """A load that has begun."""

    def __init__(self, load: Load) -> None:
        self.load = load
        self.process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.serving_load"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdin is not None
        with self.process.stdin as pipe:
            json.dump(asdict(load), pipe)

    def stop(self) -> list[Answer]:
        """The answers, without waiting for the time to be over."""
        self.process.terminate()
        return self.answers()

    def answers(self) -> list[Answer]:
        """All of them, the warm-up's too, in the order in which they came."""
        assert self.process.stdout is not None
        with self.process.stdout as pipe:
            told = json.load(pipe)
        self.process.wait()
        return sorted((Answer(**each) for each in told), key=lambda answer: answer.end)


@dataclass(frozen=True)
class Measured:
    """The answers after the warm-up."""

    answers: Sequence[Answer]
    seconds: float

    @property
    def rate(self) -> float:
        """Pictures per second."""
        return len(self.answers) / self.seconds

    def ms(self, percent: int) -> float:
        """So many of a hundred answers came faster."""
        times = sorted(answer.ms for answer in self.answers)
        return times[min(len(times) - 1, len(times) * percent // 100)]


def measure(load: Load) -> Measured:
    """What clients see.  All of them must be answered with 200."""
    answers = Clients(load).answers()
    refused = {answer.status for answer in answers} - {200}
    assert not refused, f"{load.url} answers {refused}"
    begin = min(answer.begin for answer in answers) + WARM
    counted = [each for each in answers if begin <= each.end < begin + load.seconds]
    return Measured(counted, load.seconds)


async def ask_for_a_while(load: Load) -> list[Answer]:
    """Until the time is over, or SIGTERM comes."""
    over, loop = asyncio.Event(), asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, over.set)
    loop.call_later(WARM + load.seconds, over.set)
    told = await asyncio.gather(*(client(load, number, over) for number in range(load.clients)))
    return [answer for answers in told for answer in answers]


async def client(load: Load, number: int, over: asyncio.Event) -> list[Answer]:
    """One connection, kept open; a request when the last one is answered."""
    picture = None if load.picture is None else Path(load.picture).read_bytes()
    answers: list[Answer] = []
    async with httpx2.AsyncClient(timeout=ANSWER_WITHIN, verify=False) as http:
        while not over.is_set():
            # Bytes behind a JPEG's end change nothing but the picture's id: each one is new.
            fresh = None if picture is None else picture + f"{number} {len(answers)}".encode()
            answer = await ask(http, load, fresh)
            answers.append(answer)
            if answer.status == 0:
                await asyncio.sleep(PAUSE)
            elif load.patient and answer.retry_after is not None:
                await asyncio.sleep(answer.retry_after)
    return answers


async def ask(http: httpx2.AsyncClient, load: Load, picture: bytes | None) -> Answer:
    body: dict[str, Any] = {"content": picture, "headers": {"Content-Type": "image/jpeg"}}
    if load.form:
        body = {"files": multipart(load.form, picture)}
    begin = time.time()
    try:
        answer = await http.post(load.url, **body)
    except httpx2.TransportError:
        return Answer(begin=begin, end=time.time(), status=0, retry_after=None)
    after = answer.headers.get("retry-after")
    return Answer(
        begin=begin,
        end=time.time(),
        status=answer.status_code,
        retry_after=None if after is None else float(after),
    )


def multipart(fields: Mapping[str, str], picture: bytes | None) -> dict[str, Any]:
    """A form for `files=`, which is multipart even without a picture."""
    form: dict[str, Any] = {name: (None, value) for name, value in fields.items()}
    return form if picture is None else form | {"image": ("picture.jpg", picture)}


@dataclass(frozen=True)
class Server:
    url: str
    pid: int

    def replicas(self, name: str) -> list[int]:
        """The processes of a deployment: Door, Student, Labeller, Desk."""
        return [
            pid for pid in family(self.pid) if title(pid).partition(".")[0].endswith(f":{name}")
        ]

    def proxy(self) -> int:
        """The process that Ray has listening to clients."""
        return next(pid for pid in family(self.pid) if "ProxyActor" in title(pid))

    def mib(self) -> float:
        """Private memory of all processes."""
        return sum(private_mib(pid) for pid in family(self.pid))

    def step_seconds(self) -> dict[str, tuple[float, float]]:
        """Seconds and pictures of each step since the start, as `/metrics` has them."""
        text = httpx2.get(f"{self.url}/metrics", timeout=ANSWER_WITHIN).text
        found: dict[str, dict[str, float]] = {"sum": {}, "count": {}}
        for line in text.splitlines():
            if line.startswith(("wssis_step_seconds_sum", "wssis_step_seconds_count")):
                name, value = line.split()
                kind = name.partition("{")[0].rpartition("_")[2]
                found[kind][name.split('"')[1]] = float(value)
        return {step: (found["sum"][step], found["count"][step]) for step in found["sum"]}


@contextmanager
def served(
    model: Path,
    *changes: str,
    command: Sequence[str] = SERVE,
    environment: Mapping[str, str] | None = None,
) -> Iterator[Server]:
    """An endpoint in processes of its own, until the end of the block.

    `changes` are `--set a.b=c` of its configuration.  Unless they say so, 32 clients are no
    overload.
    """
    port = free_port()
    words = [word for change in ("max_waiting=64", *changes) for word in ("--set", change)]
    line = [sys.executable, "-m", *command, str(model), "--port", str(port), *words]
    process = subprocess.Popen(
        line,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ | dict(environment or {}),
    )
    try:
        server = Server(f"http://{HOST}:{port}", process.pid)
        await_ready(server, process)
        yield server
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(STOP_WITHIN)


def await_ready(server: Server, process: subprocess.Popen[bytes]) -> None:
    give_up = time.monotonic() + START_WITHIN
    while time.monotonic() < give_up:
        if process.poll() is not None:
            break
        try:
            if httpx2.get(f"{server.url}/readyz", timeout=ANSWER_WITHIN).status_code == 200:
                return
        except httpx2.TransportError:
            pass
        time.sleep(0.25)
    raise SystemExit(f"the endpoint did not start: {process.args!r}")


def family(pid: int) -> Iterator[int]:
    """The process and all that descend from it."""
    yield pid
    for file in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = file.read_text().split()
        except OSError:  # it has just ended
            continue
        for child in children:
            yield from family(int(child))


def title(pid: int) -> str:
    """`ray::ServeReplica:ray-wssis:Student` and so on; empty when it has just ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode().strip("\0 ")
    except OSError:
        return ""


def private_mib(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_")) / 1024


class Peak:
    """The highest resident memory of a process from now on."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        Path(f"/proc/{pid}/clear_refs").write_text("5")  # the highest mark is the present one
        self.before = self.resident("VmRSS")

    def added(self) -> float:
        """MiB above what was resident at the start."""
        return self.resident("VmHWM") - self.before

    def resident(self, which: str) -> float:
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(f"{which}:")) / 1024


def write_picture(file: Path, width: int = 640, height: int = 480) -> Path:
    """A drawn picture as a JPEG."""
    drawn, _ = draw_picture(0, seed=7, size=256)
    picture = cv2.resize(drawn, (width, height), interpolation=cv2.INTER_CUBIC)
    cv2.imwrite(str(file), picture[..., ::-1])
    return file


def middle(values: Sequence[float]) -> str:
    """Median, with the lowest and the highest round."""
    ends = f"{significant(min(values))}-{significant(max(values))}"
    return f"{significant(statistics.median(values))} ({ends})"


if __name__ == "__main__":
    found = asyncio.run(ask_for_a_while(Load(**json.load(sys.stdin))))
    json.dump([asdict(answer) for answer in found], sys.stdout)
