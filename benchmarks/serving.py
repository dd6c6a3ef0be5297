"""Measures how fast a student is served, against its network in a plain loop.

    python -m benchmarks.serving RUN
    python -m benchmarks.serving RUN --only overhead saturation --seconds 20

RUN is a finished run; `overhead` and `saturation` take one of a semantic recipe too.  Endpoints are
`wssis serve` in processes of their own, and so are the clients; all of them share the CPUs of one
machine.  Times are those that a client sees.

`overhead`    one client against bare calls in one process
`saturation`  32 clients against a loop over batches
`clients`     1, 8 and 32 clients, by route, with and without batches
`splits`      the work of the student split over processes in other ways
`instances`   memory and bytes of an answer with 300 instances on 1920 x 1080
`large`       8 clients against a loop, with a ResNet-50 student of 800 network pixels
"""

import argparse
import statistics
import tempfile
import time
from collections import defaultdict, deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
import torch
from upath import UPath
from wssis_serve.config import ServeConfig
from wssis_serve.engines.choice import StudentEngine, hasten, open_student_engine
from wssis_serve.engines.images import Decoded
from wssis_serve.engines.models import find_models
from wssis_serve.engines.runtime.runtime import RuntimeName
from wssis_serve.replicas import SIDE_THREADS
from wssis_serve.segmented import Mapped, Question, Segmented

from benchmarks.many_instances import eager_segmenter
from benchmarks.serving_load import (
    ANSWER_WITHIN,
    FORM,
    Load,
    Measured,
    Server,
    forget_peak,
    means,
    measure,
    middle,
    multipart,
    resident,
    served,
    write_image,
)
from benchmarks.timing import ratio, significant, table
from ray_wssis.data.builtin.shapes import CATEGORIES

BATCH = 8
STUDENT = "student/model"  # in a run
QUESTION = Question()
PARTS = ("overhead", "saturation", "clients", "splits", "instances", "large")
NUM_CLIENTS = (1, 8, 32)
STEPS, BATCH_SIZES = "wssis_step_seconds", "wssis_batch_size"  # of `/metrics`
SEGMENT, POINTS = "/v1/segment", "/v1/segment/points"
SPLITS = "benchmarks.serving_splits"
HAPROXY = {"RAY_SERVE_ENABLE_HA_PROXY": "1"}
OPTIMIZED = {"RAY_SERVE_THROUGHPUT_OPTIMIZED": "1"}
LARGE = (1920, 1080)
FORMATS = ("rle", "polygon", "png", "coco")
POINT = f'[{{"x": 320.5, "y": 240.5, "class": "{CATEGORIES[0].name}"}}]'


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("run", type=Path, help="folder of a finished run of shapes")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--image", type=Path, help="a JPEG; 640 x 480 shapes unless given")
    parser.add_argument("--seconds", type=float, default=6, help="of each load")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--threads",
        type=int,
        default=torch.get_num_threads(),
        help="of the network, served or not, in `overhead` and `saturation`",
    )
    parser.add_argument("--instances", type=int, default=300)
    parser.add_argument("--shorter", type=int, default=800, help="network pixels of `instances`")
    options = parser.parse_args()
    run, seconds, rounds = options.run, options.seconds, options.rounds
    with tempfile.TemporaryDirectory() as folder:
        image = options.image or write_image(Path(folder) / "image.jpg")
        for part in options.only:
            print(f"\n{part}\n")
            match part:
                case "overhead":
                    overhead(run, image, seconds, rounds, options.threads)
                case "saturation":
                    saturation(run, image, seconds, rounds, options.threads)
                case "clients":
                    clients(run, image, seconds)
                case "splits":
                    splits(run, image, seconds, rounds)
                case "instances":
                    many(Path(folder), options.instances, options.shorter, rounds)
                case "large":
                    eager_segmenter(1, 800, 1333).save(UPath(folder) / STUDENT, "random weights")
                    saturation(Path(folder), image, seconds, rounds, options.threads, 8, 2)


class Bare:
    """The student in this process, used as in a replica: one thread calls the network."""

    def __init__(
        self, model: Path, image: Path, threads: int, runtime: RuntimeName = "auto"
    ) -> None:
        self.data = image.read_bytes()
        share = torch.set_num_threads
        self.thread = ThreadPoolExecutor(1, initializer=share, initargs=(threads,))
        self.beside = ThreadPoolExecutor(SIDE_THREADS, initializer=share, initargs=(1,))
        self.engine: Any = self.thread.submit(self.open, model, runtime).result()

    def open(self, model: Path, runtime: RuntimeName) -> StudentEngine:
        engine = open_student_engine(find_models(model), ServeConfig(model=str(model)))
        hasten(engine, runtime)
        return engine

    def answer(self) -> Segmented | Mapped:
        """The answer for the bytes of a file."""
        image = self.engine.decode(self.data)
        (seen,) = self.engine.infer([image])
        answer: Segmented | Mapped = self.engine.finish(image, seen, QUESTION)
        return answer

    def median_ms(self, call: Callable[[], object], seconds: float) -> float:
        """The median duration of the calls that fit into `seconds`."""
        times: list[float] = []
        until = time.perf_counter() + seconds
        while (start := time.perf_counter()) < until:
            self.thread.submit(call).result()
            times.append(1000 * (time.perf_counter() - start))
        return statistics.median(times)

    def rate(self, seconds: float, batch_size: int = BATCH) -> float:
        """Images per second of a loop over batches; decoding and masks run beside the network."""
        decoded: deque[Future[Decoded]] = deque()
        done: list[Future[Segmented | Mapped]] = []
        start = time.perf_counter()
        while time.perf_counter() < start + seconds:
            while len(decoded) < 2 * batch_size:
                decoded.append(self.beside.submit(self.engine.decode, self.data))
            images = [decoded.popleft().result() for _ in range(batch_size)]
            batch = self.thread.submit(self.engine.infer, images).result()
            done += [
                self.beside.submit(self.engine.finish, image, seen, QUESTION)
                for image, seen in zip(images, batch, strict=True)
            ]
        for answer in done:
            answer.result()
        return len(done) / (time.perf_counter() - start)


def overhead(run: Path, image: Path, seconds: float, rounds: int, threads: int) -> None:
    """Compare one client with bare calls, in turn."""
    bare = Bare(run / STUDENT, image, threads)
    decoded = bare.engine.decode(bare.data)
    network, answer, requests, steps = [], [], [], []
    with served(run, f"student.threads={threads}") as server:
        for _ in range(rounds):
            network.append(bare.median_ms(lambda: bare.engine.infer([decoded]), seconds))
            answer.append(bare.median_ms(bare.answer, seconds))
            before = server.sums(STEPS)
            requests.append(measure(load_of(server, image, 1, seconds)).ms(50))
            steps.append(means(before, server.sums(STEPS)))
    ways = {"network": network, "decode, network, masks": answer, f"`POST {SEGMENT}`": requests}
    rows = [
        [name, middle(times), middle([a - b for a, b in zip(times, network, strict=True)])]
        for name, times in ways.items()
    ]
    print(table(["one client", "p50, ms", "above the network, ms"], rows), "\n")
    rows = [[name, middle([1000 * step[name] for step in steps])] for name in steps[0]]
    print(table(["step in the replica", "mean, ms"], rows))


def saturation(
    run: Path,
    image: Path,
    seconds: float,
    rounds: int,
    threads: int,
    clients: int = 32,
    batch_size: int = BATCH,
) -> None:
    """Compare many clients with a loop, in turn."""
    bare = Bare(run / STUDENT, image, threads)
    loop, rates = [], []
    batch_sizes: list[float] = []
    changes = [f"student.threads={threads}", f"student.batch_size={batch_size}", "timeout_s=120"]
    with served(run, *changes) as server:
        for _ in range(rounds):
            loop.append(bare.rate(seconds, batch_size))
            before = server.sums(BATCH_SIZES)
            rates.append(measure(load_of(server, image, clients, seconds)).rate)
            batch_sizes += means(before, server.sums(BATCH_SIZES)).values()
    rows = [
        ["loop", middle(loop), f"**{ratio(loop, loop)}**", str(batch_size)],
        [f"{clients} clients", middle(rates), f"**{ratio(rates, loop)}**", middle(batch_sizes)],
    ]
    print(table(["network", "images / s", "/ loop", "images in a pass"], rows))


def load_of(server: Server, image: Path, clients: int, seconds: float) -> Load:
    """A load that sends a new image with every request."""
    return Load(url=server.url + SEGMENT, clients=clients, seconds=seconds, image=str(image))


def clients(run: Path, image: Path, seconds: float) -> None:
    """Measure each route by the number of clients."""
    rows = []
    for batch_size in (BATCH, 1):
        with served(run, f"student.batch_size={batch_size}") as server:
            load = load_of(server, image, 1, seconds)
            rows += rows_of(f"`{SEGMENT}`, at most {batch_size} in a batch", load)
            if batch_size == BATCH:  # points have no batches
                load = replace(load, url=server.url + POINTS, form={"points": POINT})
                rows += rows_of(f"`{POINTS}`, new images", load)
                rows += rows_of(f"`{POINTS}`, `image_id`", with_id(load))
    print(table(["request", "clients", "requests / s", "p50, ms", "p95, ms", "p99, ms"], rows))


def rows_of(name: str, load: Load) -> list[list[str]]:
    rows = []
    for number in NUM_CLIENTS:
        measured = measure(replace(load, clients=number))
        times = [significant(measured.ms(percent)) for percent in (50, 95, 99)]
        rows.append([name, str(number), significant(measured.rate), *times])
    return rows


def with_id(load: Load) -> Load:
    """The same requests for an image that the server remembers."""
    assert load.image is not None
    form = multipart(load.form, Path(load.image).read_bytes())
    headers = {"Content-Type": FORM}
    answer = httpx2.post(load.url, content=form, headers=headers, timeout=ANSWER_WITHIN)
    known = {"image_id": answer.raise_for_status().json()["image"]["id"]}
    return replace(load, image=None, form=load.form | known)


def splits(run: Path, image: Path, seconds: float, rounds: int) -> None:
    """Measure the student alone, split in each of the ways."""
    model = run / STUDENT
    ways: dict[str, Callable[[], AbstractContextManager[Server]]] = {
        "replica decodes": partial(served, model),
        "HTTP process decodes": partial(served, model, command=(SPLITS, "ingress_decodes")),
        "one process, no Ray": partial(served, model, command=(SPLITS, "one_process")),
        "2 replicas": partial(served, model, "student.number=2"),
        "Ray Serve's ingress and proxy": partial(served, model, command=(SPLITS, "serve_ingress")),
        "the same, with HAProxy": partial(
            served, model, command=(SPLITS, "serve_ingress"), environment=HAPROXY | OPTIMIZED
        ),
    }
    measured: dict[tuple[str, int], list[Measured]] = defaultdict(list)
    for _ in range(rounds):
        for name, start in ways.items():
            with start() as server:
                for number in (1, 32):
                    load = load_of(server, image, number, seconds)
                    measured[name, number].append(measure(load))
    rows = [
        [
            name,
            middle([load.ms(50) for load in measured[name, 1]]),
            middle([load.rate for load in measured[name, 32]]),
            middle([load.ms(95) for load in measured[name, 32]]),
        ]
        for name in ways
    ]
    head = ["split", "1 client: p50, ms", "32 clients: images / s", "32 clients: p95, ms"]
    print(table(head, rows))


def many(folder: Path, num: int, shorter: int, rounds: int) -> None:
    """Measure answers with many instances by their format, and the peak memory of the processes."""
    eager_segmenter(num, shorter, shorter * 5 // 3).save(UPath(folder / "eager"), "random weights")
    large = write_image(folder / "large.jpg", *LARGE).read_bytes()
    with served(folder / "eager", f"max_instances={num}") as server:
        idle = [f"{resident(pid, 'VmRSS'):.0f}" for pid in passed_by(server)]
        rows = [["before the first", "", "", *idle]]
        ask_for(server, large, 1, "rle")
        for most, kind in [(1, "rle"), *((num, kind) for kind in FORMATS)]:
            asked = [ask_for(server, large, most, kind) for _ in range(rounds)]
            columns = [middle(values) for values in zip(*asked, strict=True)]
            rows.append([f"{most}, {kind}", *columns])
    print(table(["instances, format", "MB", "s", "student, MiB", "HTTP, MiB"], rows))


def ask_for(server: Server, image: bytes, most: int, kind: str) -> list[float]:
    """Megabytes and seconds of an answer, and MiB of the processes that it passes."""
    pids = passed_by(server)
    for pid in pids:
        forget_peak(pid)
    url = f"{server.url}{SEGMENT}?threshold=0&max_instances={most}&format={kind}"
    start = time.perf_counter()
    answer = httpx2.post(
        url, content=image, headers={"Content-Type": "image/jpeg"}, timeout=ANSWER_WITHIN
    ).raise_for_status()
    seconds = time.perf_counter() - start
    found = answer.json()["annotations" if kind == "coco" else "instances"]
    assert len(found) == most, f"{len(found)} instances instead of {most}"
    return [len(answer.content) / 1e6, seconds, *(resident(pid, "VmHWM") for pid in pids)]


def passed_by(server: Server) -> list[int]:
    """The processes that an answer passes: that of the student, and the one that speaks HTTP."""
    return [*server.replicas("Student"), *server.named("one_machine.web")]


if __name__ == "__main__":
    main()
