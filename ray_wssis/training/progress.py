"""How a training worker talks to the person who started it."""

import sys
import threading
import time
from typing import Any

import ray

QUIET_SECONDS = 10.0  # between lines where nobody watches a terminal


@ray.remote(num_cpus=0)
class Board:
    """The newest line of the log, and why training had to stop."""

    def __init__(self) -> None:
        self.newest: tuple[str, int, dict[str, float]] | None = None
        self.why = ""

    def update(self, name: str, num_steps: int, line: dict[str, float]) -> None:
        self.newest = (name, num_steps, line)

    def read(self) -> tuple[str, int, dict[str, float]] | None:
        return self.newest

    def stop(self, why: str) -> None:
        self.why = self.why or why

    def reason(self) -> str:
        return self.why


class ProgressPrinter(threading.Thread):
    """Shows the board's newest line while `with` lasts: in place on a terminal, else now and
    then as a line of its own."""

    def __init__(self, board: Any) -> None:
        super().__init__(daemon=True)
        self.board = board
        self.finished = threading.Event()
        self.in_place = sys.stdout.isatty()

    def __enter__(self) -> "ProgressPrinter":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.finished.set()
        self.join()

    def run(self) -> None:
        shown_step, shown_at = 0, time.monotonic()
        while not self.finished.wait(0.5):
            try:
                newest = ray.get(self.board.read.remote(), timeout=5)
            except Exception:  # the cluster is going away, and whoever waits for it says so
                return
            if newest is None or newest[2]["step"] == shown_step:
                continue
            if self.in_place or time.monotonic() - shown_at > QUIET_SECONDS:
                shown_step, shown_at = int(newest[2]["step"]), time.monotonic()
                self.show(describe(*newest))
        if self.in_place and shown_step:
            sys.stdout.write("\n")

    def show(self, text: str) -> None:
        sys.stdout.write(f"\r\x1b[K{text}" if self.in_place else f"{text}\n")
        sys.stdout.flush()


def describe(name: str, num_steps: int, line: dict[str, float]) -> str:
    """`teacher 120/400  loss 1.234  35.1 images/s  1:04 left`"""
    left = int((num_steps - line["step"]) * line["seconds_per_step"])
    return (
        f"  {name} {int(line['step'])}/{num_steps}  loss {line['loss']:.3f}  "
        f"{line['images_per_second']:.1f} images/s  {left // 60}:{left % 60:02d} left"
    )
