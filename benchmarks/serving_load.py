"""Clients of an endpoint, and the endpoint that they ask: for `serving` and `serving_faults`.

The clients run in a process of their own, so that they do not share the lock of a server's Python;
they do share its CPUs.  It runs this module: a `Load` goes in, the answers come out, both as JSON.
"""

import asyncio
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

import cv2
import httpx2

from benchmarks.http_connection import Connection
from benchmarks.timing import significant
from ray_wssis.data.builtin.shapes import draw_image
from ray_wssis.session import free_port

HOST = "127.0.0.1"
START_WITHIN = 180.0  # seconds
STOP_WITHIN = 60.0
ANSWER_WITHIN = 90.0
WARM = 1.0  # seconds of a load that are not counted
PAUSE = 0.02  # seconds after a connection that broke
BOUNDARY = "between-the-fields-of-a-form"
FORM = f"multipart/form-data; boundary={BOUNDARY}"
SERVE = ("ray_wssis.cli", "serve")


@dataclass(frozen=True, kw_only=True)
class Load:
    """Clients that ask again as soon as they have an answer."""

    url: str
    clients: int
    seconds: float
    image: str | None = None  # file that is sent
    form: dict[str, str] = field(default_factory=dict)  # its other fields; none: no form is sent
    num_bytes: int = 0  # of a request with an image, at least
    patient: bool = False  # a refused client waits for as long as it is told


@dataclass(frozen=True, kw_only=True)
class Answer:
    begin: float  # Unix time
    end: float
    status: int  # 0: the connection broke, or no answer came
    retry_after: float | None

    @property
    def ms(self) -> float:
        return 1000 * (self.end - self.begin)


class Clients:
    """A load in progress."""

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
        """End the load before its time and return the answers."""
        self.process.terminate()
        return self.answers()

    def answers(self) -> list[Answer]:
        """All answers, those of the warm-up included, in the order in which they came."""
        assert self.process.stdout is not None
        with self.process.stdout as pipe:
            entries = json.load(pipe)
        self.process.wait()
        return sorted((Answer(**entry) for entry in entries), key=lambda answer: answer.end)


@dataclass(frozen=True)
class Measured:
    """The answers after the warm-up."""

    answers: Sequence[Answer]
    seconds: float

    @property
    def rate(self) -> float:
        """Images per second."""
        return len(self.answers) / self.seconds

    def ms(self, percent: int) -> float:
        """The time in which `percent` of the answers came, in milliseconds."""
        times = sorted(answer.ms for answer in self.answers)
        return times[min(len(times) - 1, len(times) * percent // 100)]


def measure(load: Load) -> Measured:
    """Run the load.  Every answer must be 200."""
    answers = Clients(load).answers()
    refused = {answer.status for answer in answers} - {200}
    assert not refused, f"{load.url} answers {refused}"
    return measured(answers, load)


def measured(answers: Sequence[Answer], load: Load) -> Measured:
    """The answers with 200 after the warm-up and before the end."""
    begin = min(answer.begin for answer in answers) + WARM
    end = begin + load.seconds
    counted = [answer for answer in answers if answer.status == 200 and begin <= answer.end < end]
    return Measured(counted, load.seconds)


async def ask_for_a_while(load: Load) -> list[Answer]:
    """Ask until the time is over, or SIGTERM comes."""
    over, loop = asyncio.Event(), asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, over.set)
    loop.call_later(WARM + load.seconds, over.set)
    by_client = await asyncio.gather(
        *(client(load, number, over) for number in range(load.clients))
    )
    return [answer for answers in by_client for answer in answers]


async def client(load: Load, number: int, over: asyncio.Event) -> list[Answer]:
    """Ask on one connection, which stays open; a request follows the answer to the last one."""
    image = b"" if load.image is None else Path(load.image).read_bytes()
    image += bytes(max(0, load.num_bytes - len(image)))
    answers: list[Answer] = []
    connection = Connection(load.url)
    while not over.is_set():
        # Bytes behind the end of a JPEG change its id and nothing else: every image is new.
        fresh = image and image + f"{number} {len(answers)}".encode()
        answer = await ask(connection, load, fresh)
        answers.append(answer)
        if answer.status == 0:
            await asyncio.sleep(PAUSE)
        elif load.patient and answer.retry_after is not None:
            await asyncio.sleep(answer.retry_after)
    connection.close()
    return answers


async def ask(connection: Connection, load: Load, image: bytes) -> Answer:
    if load.form:
        kind, body = FORM, multipart(load.form, image)
    else:
        kind, body = "image/jpeg", image
    begin = time.time()
    try:
        async with asyncio.timeout(ANSWER_WITHIN):
            status, after = await connection.post(kind, body)
    except (OSError, EOFError, TimeoutError):
        connection.close()
        return Answer(begin=begin, end=time.time(), status=0, retry_after=None)
    return Answer(begin=begin, end=time.time(), status=status, retry_after=after)


def multipart(fields: Mapping[str, str], image: bytes) -> bytes:
    """The body of a form, with an image if there is one."""
    parts = [(f'name="{name}"', value.encode()) for name, value in fields.items()]
    if image:
        parts.append(('name="image"; filename="image.jpg"\r\nContent-Type: image/jpeg', image))
    begin = f"--{BOUNDARY}\r\nContent-Disposition: form-data; ".encode()
    made = [begin + head.encode() + b"\r\n\r\n" + value + b"\r\n" for head, value in parts]
    return b"".join(made) + f"--{BOUNDARY}--\r\n".encode()


@dataclass(frozen=True)
class Server:
    url: str
    process: subprocess.Popen[bytes]

    @property
    def pid(self) -> int:
        return self.process.pid

    def replicas(self, name: str) -> list[int]:
        """The processes of a deployment: Student, Labeller, Coordinator."""
        return [
            pid for pid in family(self.pid) if title(pid).partition(".")[0].endswith(f":{name}")
        ]

    def named(self, word: str) -> list[int]:
        """The processes whose command line holds a word."""
        return [pid for pid in family(self.pid) if word in title(pid)]

    def mib(self) -> float:
        """Private memory of all processes, in MiB."""
        return sum(private_mib(pid) for pid in family(self.pid))

    def sums(self, name: str) -> dict[str, tuple[float, int]]:
        """The sum of all values and their number, by label, of a histogram of `/metrics`."""
        text = httpx2.get(f"{self.url}/metrics", timeout=ANSWER_WITHIN).text
        found: dict[tuple[str, str], float] = {}
        for line in text.splitlines():
            if line.startswith((f"{name}_sum", f"{name}_count")):
                key, value = line.split()
                label = key.partition('"')[2].partition('"')[0]
                found[label, key.partition("{")[0]] = float(value)
        labels = {label for label, _ in found}
        return {
            label: (found[label, f"{name}_sum"], int(found[label, f"{name}_count"]))
            for label in sorted(labels)
        }


def means(
    before: Mapping[str, tuple[float, int]], after: Mapping[str, tuple[float, int]]
) -> dict[str, float]:
    """Means of the values between two readings of the sums, by label."""
    found = {}
    for label, (total, number) in after.items():
        total_before, number_before = before.get(label, (0.0, 0))
        found[label] = (total - total_before) / (number - number_before)
    return found


@contextmanager
def served(
    model: Path,
    *changes: str,
    command: Sequence[str] = SERVE,
    environment: Mapping[str, str] | None = None,
) -> Iterator[Server]:
    """An endpoint in processes of its own, until the end of the block.

    `changes` are `--set a.b=c` of its configuration.  By default, 32 clients are no overload.
    """
    words = [word for change in ("max_waiting=64", *changes) for word in ("--set", change)]
    with answering([*command, str(model), *words], environment) as server:
        yield server


@contextmanager
def answering(
    command: Sequence[str], environment: Mapping[str, str] | None = None
) -> Iterator[Server]:
    """A module and its words that serve HTTP at the `--port` they are given, until the end of the
    block."""
    port = free_port()
    line = [sys.executable, "-m", *command, "--port", str(port)]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            line, stdout=log, stderr=log, env=os.environ | dict(environment or {})
        )
        server = Server(f"http://{HOST}:{port}", process)
        try:
            if not is_ready(server, process):
                log.seek(0)
                raise SystemExit(f"{process.args!r} does not answer: {log.read().decode()}")
            yield server
        finally:
            process.terminate()
            process.wait(STOP_WITHIN)


def is_ready(server: Server, process: subprocess.Popen[bytes]) -> bool:
    """Wait for the server; return True if it answers in time."""
    give_up = time.monotonic() + START_WITHIN
    while time.monotonic() < give_up and process.poll() is None:
        try:
            if httpx2.get(f"{server.url}/readyz", timeout=ANSWER_WITHIN).status_code == 200:
                return True
        except httpx2.TransportError:
            pass
        time.sleep(0.25)
    return False


def family(pid: int) -> Iterator[int]:
    """The process and all its descendants."""
    yield pid
    for file in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = file.read_text().split()
        except OSError:  # it has just ended
            continue
        for child in children:
            yield from family(int(child))


def title(pid: int) -> str:
    """The title of a process (`ray::ServeReplica:ray-wssis:Student`); empty if it has ended."""
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


def resident(pid: int, which: str) -> float:
    """MiB as in /proc: VmRSS is now, VmHWM the peak since `forget_peak`."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{which}:")) / 1024


def forget_peak(pid: int) -> None:
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def write_image(file: Path, width: int = 640, height: int = 480) -> Path:
    """A drawn image as a JPEG."""
    drawn, _ = draw_image(0, seed=7, size=256)
    image = cv2.resize(drawn, (width, height), interpolation=cv2.INTER_CUBIC)
    cv2.imwrite(str(file), image[..., ::-1])
    return file


def middle(values: Sequence[float]) -> str:
    """Median, with the lowest and the highest round."""
    ends = f"{significant(min(values))}-{significant(max(values))}"
    return f"{significant(statistics.median(values))} ({ends})"


if __name__ == "__main__":
    found = asyncio.run(ask_for_a_while(Load(**json.load(sys.stdin))))
    json.dump([asdict(answer) for answer in found], sys.stdout)
