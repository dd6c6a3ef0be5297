"""Figures of a run that is under way, at the Prometheus endpoint of the Ray node of its driver.

Prometheus knows each name with `ray_` before it, and counters with `_total` after it.  All are
set by the driver, from figures that it has anyway: nothing here makes a network wait.
"""

import threading
from typing import Any

from ray.util.metrics import Counter, Gauge

TAGS = ("run", "stage")
TRAINING = "wssis_training_"
GAUGES = {
    "wssis_training_step": "Steps of training that are done",
    "wssis_training_steps": "Steps of training in all",
    "wssis_training_loss": "Sum of the losses, mean over the last steps",
    "wssis_training_learning_rate": "Learning rate of the last step",
    "wssis_training_images_per_second": "Images that are learnt from, of all workers together",
    "wssis_training_network_share": "Share of the time in which the network had a batch",
    "wssis_labelling_waiting_images": "Images that are still to be shown to a network",
    "wssis_labelling_processes": "Processes that there is room for, by step",
}
COUNTERS = {
    "wssis_labelling_images": "Images that were shown to a network, failed ones included",
    "wssis_labelling_failed_images": "Images that could not be used",
    "wssis_labelling_busy_seconds": "Time that all processes were busy, by step",
}
NEXT_TO_NOTHING = 1e-300  # 1 + this is 1
AGAIN_EVERY = 5.0  # seconds; Ray forgets a gauge that was not set for some twenty


class TrainingMetrics:
    """What the newest line of a training log says."""

    def __init__(self, run: str) -> None:
        self.run = run
        self.gauges = {
            name.removeprefix(TRAINING): gauge(name) for name in GAUGES if name.startswith(TRAINING)
        }

    def show(self, stage: str, num_steps: int, line: dict[str, float]) -> None:
        values = line | {"steps": num_steps}
        for name, each in self.gauges.items():
            each.set(values[name], tags={"run": self.run, "stage": stage})


class LabellingMetrics:
    """Sums over what a streaming pass has done, and what is left of it as long as `with` lasts.

    Busy seconds over seconds and processes is the share of the processes of a step that is busy;
    of the step `model`, that of the actors with networks.
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
        """Count the pictures of a shard, and the seconds of each step."""
        self.num_waiting -= row["num_images"]
        self.show()
        increase(self.images, row["num_images"], self.tags)
        increase(self.failed, row["num_failed"], self.tags)
        for step in steps:
            increase(self.busy, row[step], self.tags | {"step": step})


def gauge(name: str, *more_tags: str) -> Gauge:
    return Gauge(name, description=GAUGES[name], tag_keys=(*TAGS, *more_tags))


def counter(name: str, *more_tags: str) -> Counter:
    return Counter(name, description=COUNTERS[name], tag_keys=(*TAGS, *more_tags))


def increase(sum_of: Counter, number: float, tags: dict[str, str]) -> None:
    """Ray refuses to add nothing, and a `rate` does not see the first value of a counter."""
    sum_of.inc(number or NEXT_TO_NOTHING, tags=tags)
