"""How a training worker talks to the person who started it."""

import logging
import sys
import threading
import time
from typing import Any

import ray
from ray.exceptions import GetTimeoutError

from ray_wssis.live_metrics import TrainingMetrics
from ray_wssis.logs import wants_json

QUIET_SECONDS = 10.0  # between lines where nobody watches a terminal
logger = logging.getLogger(__name__)


@ray.remote(num_cpus=0)
class Board:
    """The newest line of the log, why training had to stop, and whether somebody wants it to."""

    def __init__(self) -> None:
        self.newest: tuple[str, int, dict[str, float]] | None = None
        self.why = ""
        self.begun = 0  # the newest step that any worker has begun
        self.wished_at: int | None = None  # `begun` when somebody asked to stop

    def update(self, name: str, num_steps: int, line: dict[str, float]) -> None:
        self.newest = (name, num_steps, line)

    def read(self) -> tuple[str, int, dict[str, float]] | None:
        return self.newest

    def stop(self, why: str) -> None:
        self.why = self.why or why

    def reason(self) -> str:
        return self.why

    def ask_to_stop(self) -> None:
        if self.wished_at is None:
            self.wished_at = self.begun

    def begin(self, step: int) -> bool:
        """A worker is at `step`; whether to stop: the answer for a step is that for all workers."""
        self.begun = max(self.begun, step)
        return self.wished_at is not None and step > self.wished_at


class ProgressPrinter(threading.Thread):
    """Shows the board's newest line while `with` lasts: in place on a terminal, else now and
    then as a line of its own, and as metrics of the run."""

    def __init__(self, board: Any, run: str) -> None:
        super().__init__(daemon=True)
        self.board = board
        self.metrics = TrainingMetrics(run)
        self.finished = threading.Event()
        self.in_place = sys.stdout.isatty() and not wants_json()

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
            except GetTimeoutError:  # the machine is busy
                continue
            except Exception:  # the cluster is going away, and whoever waits for it says so
                return
            if newest is None:
                continue
            self.metrics.show(*newest)  # the same one too: Ray forgets gauges that are not set
            if newest[2]["step"] == shown_step:
                continue
            if self.in_place or time.monotonic() - shown_at > QUIET_SECONDS:
                shown_step, shown_at = int(newest[2]["step"]), time.monotonic()
                self.show(*newest)
        if self.in_place and shown_step:
            sys.stdout.write("\n")

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
