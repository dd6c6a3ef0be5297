"""Counts the answers to requests while something goes wrong.

    python -m benchmarks.serving_faults RUN
    python -m benchmarks.serving_faults RUN --only kills --seconds 60 --every 8

RUN is a finished run; the endpoint is `wssis serve`, the clients are a process of their own.

`each`      every process in turn gets SIGKILL once, under 8 clients that wait when told to
`kills`     one of two student replicas gets SIGKILL again and again under 8 clients
`reload`    the model is exchanged again and again under 8 clients
`overload`  200 clients, with 32 accepted requests at a time
"""

import argparse
import os
import random
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import httpx2

from benchmarks.serving_load import (
    ANSWER_WITHIN,
    Answer,
    Clients,
    Load,
    Server,
    is_ready,
    measured,
    served,
    write_image,
)
from benchmarks.timing import significant, table
from tests.support.tiny_run import write_run

PARTS = ("each", "kills", "reload", "overload")
CLIENTS = 8
PROCESSES = {  # and words of their command lines
    "HTTP": "one_machine.web",
    "student": ":Student",
    "labeller": ":Labeller",
    "coordinator": ":Coordinator",
    "Serve's controller": "ray::ServeController",
    "raylet": "raylet/raylet",
    "GCS": "gcs/gcs_server",
    "the process that starts Ray": "one_machine.node",
}
SAMPLE_EVERY = 0.5  # seconds
HEAD = ["requests", "200", "503", "other", "no answer", "slowest, s"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("run", type=Path, help="folder of a finished run of shapes")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--seconds", type=float, default=60, help="of `kills`")
    parser.add_argument("--every", type=float, default=8, help="seconds between two kills")
    parser.add_argument("--rounds", type=int, default=1, help="of `each`")
    parser.add_argument("--reloads", type=int, default=10)
    parser.add_argument("--clients", type=int, default=200, help="of `overload`")
    parser.add_argument("--short", type=float, default=15, help="seconds of the other loads")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        image = write_image(Path(folder) / "image.jpg")
        for part in options.only:
            print(f"\n{part}\n")
            match part:
                case "each":
                    each(options.run, image, options.short, options.rounds)
                case "kills":
                    kills(options.run, image, options.seconds, options.every)
                case "reload":
                    other = write_run(Path(folder) / "other")
                    reloads(options.run, other, image, options.reloads)
                case "overload":
                    overload(options.run, image, options.clients, options.short)


def each(run: Path, image: Path, seconds: float, rounds: int) -> None:
    """Kill each process once; the load goes on until everything answers again."""
    rows = []
    for name, words in PROCESSES.items():
        for _ in range(rounds):
            with served(run) as server:
                clients = Clients(replace(load_of(server, image, CLIENTS, 600), patient=True))
                time.sleep(seconds / 2)
                (pid, *_) = server.named(words)
                killed = time.time()
                os.kill(pid, signal.SIGKILL)
                time.sleep(seconds)
                back = is_ready(server, server.process)
                time.sleep(seconds / 2)
                answers = clients.stop()
            good = sorted(answer.end for answer in answers if answer.status == 200)
            gap = max((after - before for before, after in pairwise(good)), default=0.0)
            late = sum(answer.begin > killed and answer.status == 200 for answer in answers)
            rows.append(
                [name, *counts(answers), significant(gap), "yes" if back and late else "no"]
            )
    print(table(["killed", *HEAD, "longest gap, s", "answers again"], rows))


def kills(run: Path, image: Path, seconds: float, every: float) -> None:
    """Kill a replica again and again, each time after Ray has replaced the last one."""
    chance, killed = random.Random(0), 0
    with served(run / "student/model", "student.number=2") as server:
        clients = Clients(load_of(server, image, CLIENTS, seconds))
        until = time.monotonic() + seconds
        while time.monotonic() + every < until:
            time.sleep(every)
            pids = server.replicas("Student")
            if len(pids) == 2:
                os.kill(chance.choice(pids), signal.SIGKILL)
                killed += 1
        answers = clients.answers()
    print(table(["kills", *HEAD], [[str(killed), *counts(answers)]]))


def reloads(run: Path, other: Path, image: Path, number: int) -> None:
    """Reload two runs in turn.  A request after a reload is answered by the new model."""
    with served(run, f"models=[{other.parent}]") as server:
        clients = Clients(load_of(server, image, CLIENTS, seconds=600))
        seconds, hashes = [], []
        for turn in range(number):
            start = time.monotonic()
            wanted = str((other, run)[turn % 2].resolve())
            body = {"model": wanted}
            answer = httpx2.post(f"{server.url}/v1/models/reload", json=body, timeout=600)
            seconds.append(time.monotonic() - start)
            hashes.append(answer.raise_for_status().json()["models"][0]["hash"])
            assert hash_of_answer(server, image) == hashes[-1]
        answers = clients.stop()
    assert len(set(hashes)) == 2
    row = [str(number), significant(max(seconds)), *counts(answers)]
    print(table(["reloads", "slowest reload, s", *HEAD], [row]))


def hash_of_answer(server: Server, image: Path) -> str:
    answer = httpx2.post(
        f"{server.url}/v1/segment",
        content=image.read_bytes(),
        headers={"Content-Type": "image/jpeg"},
        timeout=ANSWER_WITHIN,
    )
    name: str = answer.raise_for_status().json()["model"]["hash"]
    return name


def overload(run: Path, image: Path, many: int, seconds: float) -> None:
    """Load with as many clients as are accepted, then with far more.

    Refused clients come back at once, or after the time that they are told.
    """
    rows = []
    with served(run / "student/model", "max_waiting=32") as server:
        Clients(load_of(server, image, 16, seconds=2)).answers()
        for number, patient in ((32, False), (many, False), (many, True)):
            load = replace(load_of(server, image, number, seconds), patient=patient)
            before, clients = server.mib(), Clients(load)
            most = most_mib(server, seconds)
            answers = clients.answers()
            refused = [answer for answer in answers if answer.status == 503]
            assert all(answer.retry_after is not None for answer in refused)
            accepted = measured(answers, load)
            share = f"{100 * len(refused) / len(answers):.0f} %"
            when = "when told to" if patient else "at once"
            mib = f"{before:.0f}, {most:.0f}"
            figures = [
                significant(value) for value in (accepted.rate, accepted.ms(50), accepted.ms(95))
            ]
            rows.append([f"{number}, again {when}", *counts(answers), share, *figures, mib])
    head = [
        "clients",
        *HEAD,
        "503s",
        "answers / s",
        "p50, ms",
        "p95, ms",
        "MiB before, at most",
    ]
    print(table(head, rows))


def most_mib(server: Server, seconds: float) -> float:
    until = time.monotonic() + seconds
    most = 0.0
    while time.monotonic() < until:
        most = max(most, server.mib())
        time.sleep(SAMPLE_EVERY)
    return most


def load_of(server: Server, image: Path, clients: int, seconds: float) -> Load:
    return Load(url=f"{server.url}/v1/segment", clients=clients, seconds=seconds, image=str(image))


def counts(answers: Sequence[Answer]) -> list[str]:
    """The columns of `HEAD`."""
    number = Counter(answer.status for answer in answers)
    known = [number.pop(status, 0) for status in (200, 503, 0)]
    slowest = max(answer.ms for answer in answers) / 1000
    columns = [len(answers), known[0], known[1], sum(number.values()), known[2]]
    return [*(str(value) for value in columns), significant(slowest)]


if __name__ == "__main__":
    main()
