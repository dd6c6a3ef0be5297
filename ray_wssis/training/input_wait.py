"""Time in which the network had nothing to do because its next batches were not there."""

import time

import torch


class InputWait:
    """Waits between `begin` and `end`.  A GPU is timed by its own clock, since it may still be at
    work when the next batches are asked for."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.times: list[tuple[Mark, Mark]] = []
        self.begin()

    def begin(self) -> None:
        self.began = mark(self.device)

    def end(self) -> None:
        self.times.append((self.began, mark(self.device)))

    def take(self) -> float:
        """Seconds waited since the last call, once the device has finished its work."""
        seconds = sum(elapsed(begin, end) for begin, end in self.times)
        self.times = []
        return seconds


Mark = float | torch.cuda.Event


def mark(device: torch.device) -> Mark:
    """Mark this moment; on a GPU, the one at which it has done all the work so far."""
    if device.type != "cuda":
        return time.perf_counter()
    event = torch.cuda.Event(enable_timing=True)
    event.record()
    return event


def elapsed(begin: Mark, end: Mark) -> float:
    """Seconds between two marks."""
    if isinstance(begin, float) or isinstance(end, float):
        assert isinstance(begin, float) and isinstance(end, float)
        return end - begin
    return float(begin.elapsed_time(end)) / 1000
