"""How long the network had nothing to do because its next batch was not there."""

import time

import torch


class Waiting:
    """Of a GPU by its own clock: it may still be at work when the next batch is asked for."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.times: list[tuple[Mark, Mark]] = []
        self.begin()

    def begin(self) -> None:
        self.began = mark(self.device)

    def end(self) -> None:
        self.times.append((self.began, mark(self.device)))

    def take(self) -> float:
        """Seconds since it was last asked, once the device has done what was asked of it."""
        seconds = sum(elapsed(begin, end) for begin, end in self.times)
        self.times = []
        return seconds


Mark = float | torch.cuda.Event


def mark(device: torch.device) -> Mark:
    """Now; on a GPU, when it has come to this."""
    if device.type != "cuda":
        return time.perf_counter()
    event = torch.cuda.Event(enable_timing=True)
    event.record()
    return event


def elapsed(begin: Mark, end: Mark) -> float:
    """Seconds."""
    if isinstance(begin, float) or isinstance(end, float):
        assert isinstance(begin, float) and isinstance(end, float)
        return end - begin
    return float(begin.elapsed_time(end)) / 1000
