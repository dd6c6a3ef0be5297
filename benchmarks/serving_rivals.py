"""Measures the endpoint beside a plain FastAPI app of its student, in torch and in onnxruntime.

    python -m benchmarks.serving_rivals RUN

One server runs at a time, in turn, each with one thread for a pass of the network; the clients
share the CPUs.  The loops are batches of 8 in one process without HTTP, decoded ahead by threads.
"""

import argparse
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

import httpx2
from wssis_serve.segmented import UNDECIDED

from benchmarks.serving import STUDENT, Bare, load_of
from benchmarks.serving_load import ANSWER_WITHIN, Server, measure, middle, served, write_image
from benchmarks.timing import ratio, table

NUM_CLIENTS = (1, 8, 32)
PLAIN = "benchmarks.plain_app"
DECIDES_WITHIN = 300.0  # seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("run", type=Path, help="folder of a finished run of shapes")
    parser.add_argument("--seconds", type=float, default=5, help="of each load")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="", help="part of the names of the servers to measure")
    options = parser.parse_args()
    model = options.run / STUDENT
    ours = ("student.threads=1",)
    ways: dict[str, Callable[[], AbstractContextManager[Server]]] = {
        "`wssis serve`, `runtime: auto`": partial(served, model, *ours),
        "`wssis serve`, one pass at once": partial(
            served, model, *ours, "runtime=onnx", "student.passes=1"
        ),
        "`wssis serve`, `runtime: torch`": partial(served, model, *ours, "runtime=torch"),
        "FastAPI + torch": partial(served, model, command=(PLAIN, "torch")),
        "FastAPI + onnxruntime": partial(served, model, command=(PLAIN, "onnx")),
    }
    ways = {name: start for name, start in ways.items() if options.only in name}
    found: dict[tuple[str, int], list[tuple[float, float]]] = defaultdict(list)
    loops: dict[str, list[float]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as folder:
        image = write_image(Path(folder) / "image.jpg")
        bare = {way: Bare(model, image, 1, way) for way in ("torch", "onnx")}
        network = bare["onnx"].engine.decode(image.read_bytes())
        times: dict[str, list[float]] = defaultdict(list)
        for _ in range(options.rounds):
            for way, each in bare.items():
                loops[way].append(each.rate(options.seconds))
                call = partial(each.engine.infer, [network])
                times[way].append(each.median_ms(call, options.seconds / 2))
            for name, start in ways.items():
                with start() as server:
                    if name.startswith("`"):
                        wait_for_runtime(server, "torch" not in name)
                    for number in NUM_CLIENTS:
                        measured = measure(load_of(server, image, number, options.seconds))
                        found[name, number].append((measured.ms(50), measured.rate))
    rows = []
    for name in ways:
        p50 = [[ms for ms, _ in found[name, number]] for number in NUM_CLIENTS]
        rates = [[rate for _, rate in found[name, number]] for number in NUM_CLIENTS]
        loop = loops["torch" if "torch" in name else "onnx"]
        rows.append(
            [name, middle(p50[0]), middle(rates[1]), middle(rates[2]), ratio(rates[2], loop)]
        )
    head = ["", "1 client: p50, ms", "8 clients: images / s", "32: images / s", "/ own loop"]
    print(table(head, rows), "\n")
    rows = [[way, middle(times[way]), middle(loops[way])] for way in bare]
    print(table(["without HTTP", "network, ms", "loop: images / s"], rows))


def wait_for_runtime(server: Server, is_tried: bool) -> None:
    """Wait until the server has chosen what runs the network."""
    until = time.monotonic() + DECIDES_WITHIN
    while is_tried and time.monotonic() < until:
        models = httpx2.get(f"{server.url}/v1/models", timeout=ANSWER_WITHIN).json()["models"]
        if models[0]["runtime"] != UNDECIDED:
            print(models[0]["runtime"])
            return
        time.sleep(0.5)


if __name__ == "__main__":
    main()
