"""Figures of a run that is under way, at the Prometheus endpoint of the Ray node of its driver.

Prometheus knows each name with `ray_` before it, and counters with `_total` after it.  All are
set by the driver, from figures that it has anyway: nothing here makes a network wait.
"""

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
    """Sums over what a streaming pass has done.

    Busy seconds over seconds and processes is the share of the processes of a step that is busy;
    of the step `model`, that of the actors with networks.
    """

    def __init__(self, run: str, stage: str, num_waiting: int, processes: dict[str, float]) -> None:
        self.tags = {"run": run, "stage": stage}
        self.num_waiting = num_waiting
        self.images = counter("wssis_labelling_images")
        self.failed = counter("wssis_labelling_failed_images")
        self.busy = counter("wssis_labelling_busy_seconds", "step")
        self.waiting = gauge("wssis_labelling_waiting_images")
        self.waiting.set(num_waiting, tags=self.tags)
        room = gauge("wssis_labelling_processes", "step")
        for step, number in processes.items():
            room.set(number, tags=self.tags | {"step": step})

    def add(self, row: dict[str, Any], steps: tuple[str, ...]) -> None:
        """Count the pictures of a shard, and the seconds of each step."""
        self.num_waiting -= row["num_images"]
        self.waiting.set(self.num_waiting, tags=self.tags)
        increase(self.images, row["num_images"], self.tags)
        increase(self.failed, row["num_failed"], self.tags)
        for step in steps:
            increase(self.busy, row[step], self.tags | {"step": step})


def gauge(name: str, *more_tags: str) -> Gauge:
    return Gauge(name, description=GAUGES[name], tag_keys=(*TAGS, *more_tags))


def counter(name: str, *more_tags: str) -> Counter:
    return Counter(name, description=COUNTERS[name], tag_keys=(*TAGS, *more_tags))


def increase(sum_of: Counter, number: float, tags: dict[str, str]) -> None:
    """Ray refuses to add nothing."""
    if number > 0:
        sum_of.inc(number, tags=tags)
