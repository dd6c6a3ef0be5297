"""Measures large requests: the endpoint itself, Ray Serve's proxy and HAProxy; and their memory.

    python -m benchmarks.serving_bodies RUN

The image is the same in each, a JPEG of 640 x 480 pixels with bytes behind its end, so bodies
differ in nothing but their transfer.  One server runs at a time; the clients share the CPUs.
"""

import argparse
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from pathlib import Path

from benchmarks.serving import HAPROXY, OPTIMIZED, SPLITS, STUDENT, load_of
from benchmarks.serving_load import Clients, Server, measured, middle, served, write_image
from benchmarks.timing import table

MEGABYTES = (0, 1, 4, 10)  # 0: the image alone
NUM_CLIENTS = (1, 8)
LIMITS = ("max_megabytes=32", "runtime=torch", "student.threads=1")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("run", type=Path, help="folder of a finished run of shapes")
    parser.add_argument("--seconds", type=float, default=4, help="of each load")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--requests", type=int, default=5000, help="after which memory is read")
    options = parser.parse_args()
    model = options.run / STUDENT
    proxy = partial(served, model, *LIMITS, command=(SPLITS, "serve_ingress"))
    ways: dict[str, Callable[[], AbstractContextManager[Server]]] = {
        "`wssis serve`": partial(served, model, *LIMITS),
        "Ray Serve's proxy": proxy,
        "HAProxy": partial(proxy, environment=HAPROXY | OPTIMIZED),
    }
    found: dict[tuple[str, int, int], list[float]] = defaultdict(list)
    statuses: dict[tuple[str, int, int], Counter[int]] = defaultdict(Counter)
    with tempfile.TemporaryDirectory() as folder:
        image = write_image(Path(folder) / "image.jpg")
        for _ in range(options.rounds):
            for name, start in ways.items():
                with start() as server:
                    for megabytes in MEGABYTES:
                        for number in NUM_CLIENTS:
                            load = load_of(server, image, number, options.seconds)
                            load = replace(load, num_bytes=megabytes * 1_000_000)
                            answers = Clients(load).answers()
                            done = measured(answers, load)
                            if done.answers:
                                value = done.ms(50) if number == 1 else done.rate
                                found[name, megabytes, number].append(value)
                            statuses[name, megabytes, number].update(x.status for x in answers)
        head = ["", *(f"{megabytes or 0.05:g} MB" for megabytes in MEGABYTES)]
        for number, what in zip(NUM_CLIENTS, ("1 client: p50, ms", "8 clients: / s"), strict=True):
            rows = [
                [
                    name,
                    *(
                        cell(found[name, size, number], statuses[name, size, number])
                        for size in MEGABYTES
                    ),
                ]
                for name in ways
            ]
            print(table([what, *head[1:]], rows), "\n")
        print_memory(ways["`wssis serve`"], image, options.requests)


def cell(values: list[float], statuses: Counter[int]) -> str:
    """Median and spread, and the statuses of requests that were not answered."""
    bad = [f"{number} x {status}" for status, number in statuses.items() if status != 200]
    others = f"; of {statuses.total()} requests {', '.join(bad)}" if bad else ""
    return (middle(values) if values else "-") + others


def print_memory(
    start: Callable[[], AbstractContextManager[Server]], image: Path, num_requests: int
) -> None:
    """Print the memory of all processes between requests of 4 MB."""
    rows, done = [], 0
    with start() as server:
        load = replace(load_of(server, image, 8, 10), num_bytes=4_000_000)
        Clients(load).answers()
        rows.append(["0", f"{server.mib():.0f}"])
        while done < num_requests:
            done += len(Clients(replace(load, seconds=30)).answers())
            rows.append([str(done), f"{server.mib():.0f}"])
    print(table(["requests of 4 MB", "MiB of all processes"], rows))


if __name__ == "__main__":
    main()
