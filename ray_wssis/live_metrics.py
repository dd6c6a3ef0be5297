"""Metrics of a run in progress, at the Prometheus endpoint of the Ray node of its driver.

Prometheus sees every name prefixed with `ray_`, and counters with the suffix `_total`.  The driver
sets all of them from numbers that it has anyway: nothing here makes a network wait.
"""

import threading
from typing import Any

from ray.util.metrics import Counter, Gauge

TAGS = ("run", "stage")
TRAINING = "wssis_training_"
GAUGES = {
    "wssis_training_step": "Training steps done",
    "wssis_training_steps": "Training steps in total",
    "wssis_training_loss": "Sum of the losses, mean over the last steps",
    "wssis_training_learning_rate": "Learning rate of the last step",
    "wssis_training_images_per_second": "Images trained on, all workers together",
    "wssis_training_network_share": "Share of the time in which the network had a batch",
    "wssis_labelling_waiting_images": "Images not yet shown to a network",
    "wssis_labelling_processes": "Room for processes, by step",
}
COUNTERS = {
    "wssis_labelling_images": "Images shown to a network, including failed ones",
    "wssis_labelling_failed_images": "Images that could not be used",
    "wssis_labelling_busy_seconds": "Busy time of all processes, by step",
}
NEXT_TO_NOTHING = 1e-300  # 1 + this is 1
AGAIN_EVERY = 5.0  # seconds; Ray forgets a gauge that is not set for about twenty


class TrainingMetrics:
    """Gauges that follow the latest line of a training log."""

    def __init__(self, run: str) -> None:
        self.run = run
        self.gauges = {
            name.removeprefix(TRAINING): gauge(name) for name in GAUGES if name.startswith(TRAINING)
        }

    def show(self, stage: str, num_steps: int, line: dict[str, float]) -> None:
        values = line | {"steps": num_steps}
        for name, metric in self.gauges.items():
            metric.set(values[name], tags={"run": self.run, "stage": stage})


class LabellingMetrics:
    """Sums over the finished part of a streaming pass, and the rest of it while `with` lasts.

    Busy seconds divided by seconds and processes is the busy share of the processes of a step; for
    the step `model`, these are the actors with networks.
    """

    def __init__(self, run: str, stage: str, num_waiting: int, processes: dict[str, float]) -> None:
        self.tags = {"run": run, "stage": stage}
        self.num_waiting = num_waiting
        self.processes = processes
        self.images = counter("wssis_labelling_images")
        self.failed = counter("wssis_labelling_failed_images")
        self.busy = counter("wssis_labelling_busy_seconds", "step")
        self.waiting = gauge("wssis_labelling_waiting_images")
        self.room = gauge("wssis_labelling_processes", "step")
        self.finished = threading.Event()
        self.thread = threading.Thread(target=self.keep_showing, daemon=True)
        self.show()
        increase(self.images, 0, self.tags)
        increase(self.failed, 0, self.tags)
        for step in processes:
            increase(self.busy, 0, self.tags | {"step": step})

    def __enter__(self) -> "LabellingMetrics":
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.finished.set()
        self.thread.join()

    def keep_showing(self) -> None:
        while not self.finished.wait(AGAIN_EVERY):
            self.show()

    def show(self) -> None:
        self.waiting.set(self.num_waiting, tags=self.tags)
        for step, number in self.processes.items():
            self.room.set(number, tags=self.tags | {"step": step})

    def add(self, row: dict[str, Any], steps: tuple[str, ...]) -> None:
        """Count the images of a shard, and the seconds of each step."""
        self.num_waiting -= row["num_images"]
        self.show()
        increase(self.images, row["num_images"], self.tags)
        increase(self.failed, row["num_failed"], self.tags)
        for step in steps:
            increase(self.busy, row[step], self.tags | {"step": step})


def gauge(name: str, *extra_tags: str) -> Gauge:
    return Gauge(name, description=GAUGES[name], tag_keys=(*TAGS, *extra_tags))


def counter(name: str, *extra_tags: str) -> Counter:
    return Counter(name, description=COUNTERS[name], tag_keys=(*TAGS, *extra_tags))


def increase(sum_of: Counter, number: float, tags: dict[str, str]) -> None:
    """Add to a counter, zero included.

    Ray refuses to add zero, but a counter must start somewhere for `rate` to see its first change.
    """
    sum_of.inc(number or NEXT_TO_NOTHING, tags=tags)
