"""Counts of what a stream has done so far: images, failures, and where the time went."""

import logging
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from ray_wssis.streaming.labeller import Row

STEPS = ("read", "decode", "model", "encode")
MOST_LOGGED = 3  # reasons of failures that the log shows

logger = logging.getLogger(__name__)


@dataclass(kw_only=True)
class Throughput:
    num_images: int = 0
    num_failed: int = 0  # of them
    seconds: float = 0.0  # by the clock
    busy: Counter[str] = field(default_factory=Counter)  # seconds of all processes, by step
    places: dict[str, float] = field(default_factory=dict)  # processes that fit in, by step

    def add(self, row: Row, seconds: float) -> None:
        self.seconds += seconds
        self.num_images += row["num_images"]
        self.num_failed += row["num_failed"]
        self.busy.update({step: row[step] for step in STEPS})

    @property
    def rate(self) -> float | None:
        """Images per second."""
        return self.num_images / self.seconds if self.seconds else None

    @property
    def bottleneck(self) -> str | None:
        """The step that the others wait for: the one whose processes were busiest."""
        if not self.num_images:
            return None
        return max(STEPS, key=lambda step: self.busy[step] / self.places[step])

    def figures(self) -> dict[str, Any]:
        return {
            "num_images": self.num_images,
            "num_failed": self.num_failed,
            "seconds": self.seconds,
            "images_per_second": self.rate,
            "busy_seconds": {step: self.busy[step] for step in STEPS},
            "bottleneck": self.bottleneck,
        }

    def progress(self, name: str, num_wanted: int) -> str:
        """`  labels 1280/20000  52.1 images/s  5:59 left`"""
        assert self.rate is not None
        left = int((num_wanted - self.num_images) / self.rate)
        failed = f"  {self.num_failed} failed" if self.num_failed else ""
        return (
            f"  {name} {self.num_images}/{num_wanted}  {self.rate:.1f} images/s  "
            f"{left // 60}:{left % 60:02d} left{failed}"
        )


class TooManyFailures(ValueError):
    """More images failed than was allowed."""


@dataclass(kw_only=True)
class Failures:
    """Counts images that failed, up to the most that are allowed."""

    name: str  # of the stream
    most: int | None
    before: int  # in earlier attempts and runs
    now: int = 0

    def add(self, number: int, reason: str | None) -> None:
        if number and self.now < MOST_LOGGED:
            logger.warning("%s: %s", self.name, reason)
        self.now += number
        self.check(f"; the last one: {reason}")

    def check(self, detail: str = "") -> None:
        number = self.before + self.now
        if self.most is not None and number > self.most:
            raise TooManyFailures(
                f"{self.name}: {number} images failed, more than max_failures allows{detail}. "
                "Finished work is kept. Fix the cause and rerun with --retry-failed, or raise "
                "--max-failures"
            )
