"""Several ways to do one thing, timed in turn, and the tables that benchmarks print."""

import statistics
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import TypeVar

Name = TypeVar("Name", bound=Hashable)


def interleaved(ways: Mapping[Name, Callable[[], object]], runs: int) -> dict[Name, list[float]]:
    """Seconds of each way, run by run.

    Each run calls every way once, in turn, so that a slow minute of the machine falls on all.  One
    run more comes before them and is not counted.
    """
    seconds: dict[Name, list[float]] = {name: [] for name in ways}
    for _ in range(runs + 1):
        for name, way in ways.items():
            start = time.perf_counter()
            way()
            seconds[name].append(time.perf_counter() - start)
    return {name: values[1:] for name, values in seconds.items()}


def spread(seconds: Sequence[float]) -> str:
    """Median, with the fastest and the slowest run, in a unit that suits them."""
    middle = statistics.median(seconds)
    scale, unit = (1, "s") if middle >= 1 else (1000, "ms")
    low, high = (scale * value for value in (min(seconds), max(seconds)))
    return f"{significant(scale * middle)} {unit} ({significant(low)}-{significant(high)})"


def significant(value: float) -> str:
    """Three digits."""
    digits = 2 if value < 10 else 1 if value < 100 else 0
    return f"{value:.{digits}f}"


def ratio(above: Sequence[float], below: Sequence[float]) -> str:
    """The median of the one over that of the other."""
    return significant(statistics.median(above) / statistics.median(below))


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
