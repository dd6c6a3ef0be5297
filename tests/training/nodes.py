"""Training on a cluster whose nodes come and go.

python -m tests.training.nodes FOLDER spare | drained | elastic
"""

import subprocess
import sys
import threading
import time
from pathlib import Path

import ray
from ray.cluster_utils import Cluster
from upath import UPath

from ray_wssis.training import run
from ray_wssis.training.run import RUN, SNAPSHOT, TrainingWorkers, train
from ray_wssis.training.schedule import TrainingConfig
from tests.small_run import RAY
from tests.stages.slow_run import wait_until
from tests.training.line_task import Line, groups_file

CONFIG = TrainingConfig(
    steps=200, batch_size=4, learning_rate=0.1, warmup_steps=0, save_every=10, validate_every=200
)
CPUS = 2  # of a node but the head, which has 1, and of a worker


class Training(threading.Thread):
    """A slow training in the background: nodes are added from the main thread only."""

    def __init__(self, folder: Path, workers: TrainingWorkers, save_every: int = 10) -> None:
        super().__init__()
        self.folder, self.workers = folder, workers
        self.config = CONFIG.model_copy(update={"save_every": save_every})
        self.task = Line(folder / "marker", "slow")

    def run(self) -> None:
        train(self.task, self.config, 0, self.workers, UPath(self.folder / "run"))

    def groups(self) -> list[list[str]]:
        """Of every group of workers so far: how many, and the node of the first."""
        file = groups_file(self.task.marker)
        return [line.split() for line in file.read_text().splitlines()] if file.exists() else []

    def wait_for_group(self, size: int) -> None:
        wait_until(lambda: bool(self.groups()) and int(self.groups()[-1][0]) == size)

    def wait_for_checkpoint(self) -> None:
        began = time.time()
        known = self.folder / "run" / RUN / SNAPSHOT  # written anew for each
        wait_until(lambda: known.exists() and known.stat().st_mtime > began)


def lose_a_node(cluster: Cluster, folder: Path) -> None:
    """Two workers, three nodes: one with a worker goes away."""
    nodes = [cluster.add_node(num_cpus=CPUS) for _ in range(3)]
    training = Training(folder, TrainingWorkers(number=2, cpus_each=CPUS, gpu=False))
    training.start()
    training.wait_for_group(2)
    training.wait_for_checkpoint()
    (lost,) = [node for node in nodes if node.node_id == training.groups()[-1][1]]
    cluster.remove_node(lost, allow_graceful=False)
    training.join()


def drain_a_node(cluster: Cluster, folder: Path) -> None:
    """As `lose_a_node`, but it is known before: what is kept then is the only checkpoint."""
    for _ in range(3):
        cluster.add_node(num_cpus=CPUS)
    workers = TrainingWorkers(number=2, cpus_each=CPUS, gpu=False)
    training = Training(folder, workers, save_every=CONFIG.steps)
    training.start()
    training.wait_for_group(2)
    wait_until(training.task.marker.exists)
    line = [RAY, "drain-node", "--address", cluster.address, "--node-id", training.groups()[-1][1]]
    line += ["--reason", "DRAIN_NODE_REASON_PREEMPTION", "--reason-message", "wanted elsewhere"]
    subprocess.run([*line, "--deadline-remaining-seconds", "10"], check=True)
    training.wait_for_checkpoint()
    assert len(training.groups()) == 1
    training.join()


def come_and_go(cluster: Cluster, folder: Path) -> None:
    """A second node comes, and the first one goes away."""
    run.RESIZE_EVERY = 2.0
    first = cluster.add_node(num_cpus=CPUS)
    workers = TrainingWorkers(number=1, max_number=2, cpus_each=CPUS, gpu=False)
    training = Training(folder, workers)
    training.start()
    training.wait_for_group(1)
    training.wait_for_checkpoint()
    cluster.add_node(num_cpus=CPUS)
    training.wait_for_group(2)
    training.wait_for_checkpoint()
    cluster.remove_node(first, allow_graceful=False)
    training.join()


if __name__ == "__main__":
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    ray.init(address=cluster.address, log_to_driver=False)
    what = {"spare": lose_a_node, "drained": drain_a_node, "elastic": come_and_go}[sys.argv[2]]
    what(cluster, Path(sys.argv[1]))
    ray.shutdown()
    cluster.shutdown()
