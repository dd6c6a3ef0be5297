"""Progress and warnings of training workers, for the person who started them."""

import logging
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import ray
from ray.actor import ActorHandle
from ray.exceptions import GetTimeoutError

from ray_wssis.live_metrics import TrainingMetrics
from ray_wssis.logs import wants_json

LOOK_EVERY = 0.5  # seconds
QUIET_SECONDS = 10.0  # between lines if nobody watches a terminal
logger = logging.getLogger(__name__)

Line = tuple[str, int, dict[str, float]]  # name of the task, steps in all, a line of the log


@ray.remote(num_cpus=0)
class Board:
    """The newest line of the log, warnings, the reason of a stop, and the wish for one."""

    def __init__(self) -> None:
        self.newest: Line | None = None
        self.warnings: list[str] = []
        self.num_read = 0  # warnings that the driver has read
        self.why = ""
        self.begun = 0  # the newest step that any worker has begun
        self.wished_at: int | None = None  # `begun` when somebody asked to stop

    def update(self, name: str, num_steps: int, line: dict[str, float]) -> None:
        self.newest = (name, num_steps, line)

    def warn(self, text: str) -> None:
        if text not in self.warnings:  # workers that start again say it again
            self.warnings.append(text)

    def read(self) -> tuple[Line | None, list[str]]:
        """The newest line, and the warnings since the last call."""
        unread = self.warnings[self.num_read :]
        self.num_read = len(self.warnings)
        return self.newest, unread

    def stop(self, why: str) -> None:
        self.why = self.why or why

    def reason(self) -> str:
        return self.why

    def ask_to_stop(self) -> None:
        if self.wished_at is None:
            self.wished_at = self.begun

    def begin(self, step: int) -> bool:
        """Note that a worker is at `step`; return whether to stop after it, as all will."""
        self.begun = max(self.begun, step)
        return self.wished_at is not None and step > self.wished_at


class BoardHandler(logging.Handler):
    """Puts warnings of a worker, whose log stays on its node, on the board."""

    def __init__(self, board: ActorHandle[Any]) -> None:
        super().__init__(logging.WARNING)
        self.board = board

    def emit(self, record: logging.LogRecord) -> None:
        self.board.warn.remote(record.getMessage())


@contextmanager
def warnings_on(board: ActorHandle[Any] | None) -> Iterator[None]:
    """Put our warnings on the board while `with` lasts."""
    if board is None:
        yield
        return
    ours, handler = logging.getLogger("ray_wssis"), BoardHandler(board)
    ours.addHandler(handler)
    try:
        yield
    finally:
        ours.removeHandler(handler)


class ProgressPrinter(threading.Thread):
    """Shows the board while `with` lasts: the newest line in place on a terminal, else now and
    then as a line of its own, and as metrics of the run; warnings in the log."""

    def __init__(self, board: Any, run: str) -> None:
        super().__init__(daemon=True)
        self.board = board
        self.metrics = TrainingMetrics(run)
        self.finished = threading.Event()
        self.in_place = sys.stdout.isatty() and not wants_json()
        self.shown_step = 0
        self.shown_at = time.monotonic()

    def __enter__(self) -> "ProgressPrinter":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.finished.set()
        self.join()

    def run(self) -> None:
        finished = False
        while not finished:
            finished = self.finished.wait(LOOK_EVERY)  # and one last look
            try:
                newest, warnings = ray.get(self.board.read.remote(), timeout=5)
            except GetTimeoutError:  # the machine is busy
                continue
            except Exception:  # the cluster is going away, as the driver will notice
                break
            for warning in warnings:
                logger.warning("%s", warning)
            if newest is not None:
                self.take(*newest)
        if self.in_place and self.shown_step:
            sys.stdout.write("\n")

    def take(self, name: str, num_steps: int, line: dict[str, float]) -> None:
        """Set the metrics, and show the line if it is new and it is time for one."""
        self.metrics.show(name, num_steps, line)  # an old one too: Ray forgets unset gauges
        if line["step"] == self.shown_step:
            return
        if self.in_place or time.monotonic() - self.shown_at > QUIET_SECONDS:
            self.shown_step, self.shown_at = int(line["step"]), time.monotonic()
            self.show(name, num_steps, line)

    def show(self, name: str, num_steps: int, line: dict[str, float]) -> None:
        text = describe(name, num_steps, line)
        if wants_json():
            logger.info("%s", text, extra={"stage": name, "num_steps": num_steps} | line)
            return
        sys.stdout.write(f"\r\x1b[K{text}" if self.in_place else f"{text}\n")
        sys.stdout.flush()


def describe(name: str, num_steps: int, line: dict[str, float]) -> str:
    """`teacher 120/400  loss 1.234  35.1 images/s  network 97 %  1:04 left`"""
    left = int((num_steps - line["step"]) * line["seconds_per_step"])
    return (
        f"  {name} {int(line['step'])}/{num_steps}  loss {line['loss']:.3f}  "
        f"{line['images_per_second']:.1f} images/s  network {100 * line['network_share']:.0f} %  "
        f"{left // 60}:{left % 60:02d} left"
    )
