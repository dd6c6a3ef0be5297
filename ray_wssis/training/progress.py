"""Progress and warnings of training workers, for the person who started them."""

import logging
import math
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import ray
from ray.actor import ActorHandle
from ray.exceptions import GetTimeoutError

from ray_wssis.heartbeat import LAST_LINE
from ray_wssis.live_metrics import TrainingMetrics
from ray_wssis.logs import wants_json

LOOK_EVERY = 0.5  # seconds
QUIET_SECONDS = 10.0  # between lines if nobody watches a terminal
MOST_FIGURES = 3  # of a validation, on the terminal
logger = logging.getLogger(__name__)

Line = dict[str, float]  # of the log


class News(NamedTuple):
    """News from a board for the driver."""

    newest: Line | None  # of the steps
    warnings: list[str]  # since the last time
    figures: list[Line]  # of validations since the last time
    doing: str  # what the workers do


@ray.remote(num_cpus=0)
class Board:
    """The newest lines of the log, warnings, the reason of a stop, and the wish for one."""

    def __init__(self) -> None:
        self.newest: Line | None = None
        self.warnings: list[str] = []
        self.num_read = 0  # warnings that the driver has read
        self.figures: list[Line] = []  # unread
        self.now = "starting its workers"
        self.why = ""
        self.begun = 0  # the newest step that any worker has begun
        self.wished_at: int | None = None  # `begun` when somebody asked to stop

    def update(self, line: Line) -> None:
        self.newest = line

    def validated(self, figures: Line) -> None:
        self.figures.append(figures)

    def doing(self, now: str) -> None:
        self.now = now

    def warn(self, text: str) -> None:
        if text not in self.warnings:  # workers that start again say it again
            self.warnings.append(text)

    def read(self) -> News:
        """Return the newest line, and the warnings and figures since the last call."""
        news = News(self.newest, self.warnings[self.num_read :], self.figures, self.now)
        self.num_read, self.figures = len(self.warnings), []
        return news

    def stop(self, why: str) -> None:
        self.why = self.why or why

    def reason(self) -> str:
        return self.why

    def standing(self) -> tuple[str, int]:
        """Return the reason of a stop, and the newest step that any worker has begun."""
        return self.why, self.begun

    def ask_to_stop(self) -> None:
        if self.wished_at is None:
            self.wished_at = self.begun

    def begin(self, step: int) -> bool:
        """Note that a worker is at `step`; return whether to stop after it, as all will."""
        self.begun = max(self.begun, step)
        self.now = f"at step {self.begun}"
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
    then as a line of its own, and as metrics of the run; figures of validations as lines, and
    warnings in the log."""

    def __init__(self, board: Any, run: str, name: str, num_steps: int) -> None:
        super().__init__(daemon=True)
        self.board = board
        self.name = name  # of the task
        self.num_steps = num_steps
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
                news = ray.get(self.board.read.remote(), timeout=5)
            except GetTimeoutError:  # the machine is busy
                continue
            except Exception:  # the cluster is going away, as the driver will notice
                break
            self.take(news)
        if self.in_place and self.shown_step:
            sys.stdout.write("\n")

    def take(self, news: News) -> None:
        """Set the metrics, and show what is new, or else now and then what the workers do."""
        for warning in news.warnings:
            logger.warning("%s", warning)
        if news.newest is not None:
            self.metrics.show(self.name, self.num_steps, news.newest)  # Ray forgets unset gauges
        is_time = time.monotonic() - self.shown_at > QUIET_SECONDS
        if news.newest is not None and news.newest["step"] != self.shown_step:
            if self.in_place or is_time or news.figures:
                self.shown_step = int(news.newest["step"])
                self.show(describe(self.name, self.num_steps, news.newest), news.newest)
        elif is_time:
            self.show(f"  {self.name} {self.shown_step}/{self.num_steps}  {news.doing}", {})
        for figures in news.figures:
            self.show(describe_figures(self.name, self.num_steps, figures), figures, stays=True)

    def show(self, text: str, line: Line, *, stays: bool = False) -> None:
        """Show a text; on a terminal the next one replaces it unless it `stays`."""
        self.shown_at = time.monotonic()
        LAST_LINE.note()
        if wants_json():
            logger.info("%s", text, extra={"stage": self.name, "num_steps": self.num_steps} | line)
            return
        sys.stdout.write(f"\r\x1b[K{text}" if self.in_place else f"{text}\n")
        if self.in_place and stays:
            sys.stdout.write("\n")
        sys.stdout.flush()


def describe(name: str, num_steps: int, line: Line) -> str:
    """`teacher 120/400  loss 1.234  35.1 images/s  network 97 %  1:04 left`"""
    left = int((num_steps - line["step"]) * line["seconds_per_step"])
    return (
        f"  {name} {int(line['step'])}/{num_steps}  loss {line['loss']:.3f}  "
        f"{line['images_per_second']:.1f} images/s  network {100 * line['network_share']:.0f} %  "
        f"{left // 60}:{left % 60:02d} left"
    )


def describe_figures(name: str, num_steps: int, line: Line) -> str:
    """`teacher 200/400  validation: AP 18.3  AP50 35.2  AP75 17.0`"""
    figures = {
        figure.removeprefix("val/").replace("_", " "): value
        for figure, value in line.items()
        if figure != "step" and not math.isnan(value)
    }
    shown = "  ".join(f"{figure} {figures[figure]:.1f}" for figure in [*figures][:MOST_FIGURES])
    return f"  {name} {int(line['step'])}/{num_steps}  validation: {shown or 'no figure'}"
