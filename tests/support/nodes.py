"""Trainings on a cluster whose nodes come and go, one after the other.

python -m tests.support.nodes FOLDER
"""

import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ray
from ray.cluster_utils import Cluster
from upath import UPath

from ray_wssis.training import run
from ray_wssis.training.config import TrainingConfig, TrainingWorkers
from ray_wssis.training.folder import RUN, SNAPSHOT
from ray_wssis.training.run import train
from tests.support.line_task import Line, groups_file, hurry_file
from tests.support.small_run import RAY
from tests.support.waiting import wait_until

CONFIG = TrainingConfig(
    steps=200, batch_size=4, learning_rate=0.1, warmup_steps=0, save_every=5, validate_every=200
)
RARELY = CONFIG.model_copy(update={"save_every": CONFIG.steps, "early": (3,)})
LOST_NODES_ARE_MISSED_SOON = {  # within seconds; for the environment of a cluster
    "RAY_health_check_initial_delay_ms": "1000",
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_failure_threshold": "3",
}
CPUS = 2  # of a node but the head, which has 1, and of a worker
GRACE = 60  # seconds from the news that a node will go away


class Training(threading.Thread):
    """A training in the background, slow until it is to finish.

    Ray's `Cluster` adds nodes from the main thread only.
    """

    def __init__(
        self, folder: Path, workers: TrainingWorkers, config: TrainingConfig = CONFIG
    ) -> None:
        super().__init__(daemon=True)  # what fails in the main thread ends it
        self.folder, self.workers, self.config = folder / "run", workers, config
        self.task = Line(folder / "marker", "slow", seconds=0.2)

    def run(self) -> None:
        train(self.task, self.config, 0, self.workers, UPath(self.folder))

    def wait_until(self, true: Callable[[], bool]) -> None:
        wait_until(lambda: true() or not self.is_alive())
        assert self.is_alive()

    def groups(self) -> list[list[str]]:
        """The number of workers and the node of the first, for every group so far."""
        file = groups_file(self.task.marker)
        return [line.split() for line in file.read_text().splitlines()] if file.exists() else []

    def wait_for_groups(self, *sizes: int) -> None:
        self.wait_until(lambda: [int(size) for size, _ in self.groups()] == list(sizes))

    def checkpoints(self) -> bytes:
        """The content of Ray Train's list of checkpoints."""
        snapshot = self.folder / RUN / SNAPSHOT
        return snapshot.read_bytes() if snapshot.exists() else b""

    def wait_for_another_checkpoint(self) -> None:
        before = self.checkpoints()
        self.wait_until(lambda: self.checkpoints() != before)

    def finish(self) -> None:
        hurry_file(self.task.marker).touch()
        self.join()
        assert (self.folder / "model").exists()  # why not, its thread has said


def lose_and_drain(cluster: Cluster, folder: Path) -> None:
    """Two workers, three nodes: one with a worker goes away, then one that was announced."""
    nodes = exactly(3, cluster)
    workers = TrainingWorkers(number=2, cpus_each=CPUS, gpu=False)
    training = Training(folder, workers, RARELY)
    training.start()
    training.wait_for_groups(2)
    training.wait_until(training.task.marker.exists)  # the only planned checkpoint is behind it
    training.wait_until(lambda: training.checkpoints() != b"")
    remove(cluster, nodes, training.groups()[-1][1])
    nodes.append(cluster.add_node(num_cpus=CPUS))
    training.wait_for_groups(2, 2)
    planned = training.checkpoints()
    drain(cluster, training.groups()[-1][1])
    training.wait_until(lambda: training.checkpoints() != planned)
    assert len(training.groups()) == 2
    remove(cluster, nodes, training.groups()[-1][1])
    training.finish()


def drain(cluster: Cluster, node: str) -> None:
    """Announce that a node will go away."""
    line = [RAY, "drain-node", "--address", cluster.address, "--node-id", node]
    line += ["--reason", "DRAIN_NODE_REASON_PREEMPTION", "--reason-message", "wanted elsewhere"]
    subprocess.run([*line, "--deadline-remaining-seconds", str(GRACE)], check=True)


def come_and_go(cluster: Cluster, folder: Path) -> None:
    """A second node comes, and the first one goes away."""
    run.RESIZE_EVERY = 2.0
    (first,) = exactly(1, cluster)
    workers = TrainingWorkers(number=1, max_number=2, cpus_each=CPUS, gpu=False)
    training = Training(folder, workers)
    training.start()
    training.wait_for_groups(1)
    training.wait_for_another_checkpoint()
    cluster.add_node(num_cpus=CPUS)
    training.wait_for_groups(1, 2)
    training.wait_for_another_checkpoint()
    remove(cluster, [first], first.node_id)
    training.finish()


def exactly(number: int, cluster: Cluster) -> list[Any]:
    """This many nodes beside the head: some that are there, and new ones or fewer."""
    nodes = list(cluster.worker_nodes)
    for node in nodes[number:]:
        cluster.remove_node(node)
    return nodes[:number] + [cluster.add_node(num_cpus=CPUS) for _ in range(number - len(nodes))]


def remove(cluster: Cluster, nodes: list[Any], node_id: str) -> None:
    """Remove the node abruptly, as if its plug was pulled."""
    (node,) = [node for node in nodes if node.node_id == node_id]
    cluster.remove_node(node, allow_graceful=False)


SCENARIOS = {"lost": lose_and_drain, "elastic": come_and_go}

if __name__ == "__main__":
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    ray.init(address=cluster.address, log_to_driver=False)
    for name, play in SCENARIOS.items():
        folder = Path(sys.argv[1]) / name
        folder.mkdir()
        play(cluster, folder)
    ray.shutdown()
    cluster.shutdown()
