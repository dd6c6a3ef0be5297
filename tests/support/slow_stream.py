"""A pass over many small images with a labeller that takes its time, to be disturbed.

python -m tests.support.slow_stream RECORDS OUT [--lose-a-node | GO_ON]
"""

import os
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import ray
from upath import UPath

from ray_wssis.data.builtin.shapes import write_shapes
from ray_wssis.data.coco.read import read_coco
from ray_wssis.streaming.config import LabellingWorkers
from ray_wssis.streaming.decode import Image
from ray_wssis.streaming.labeller import Infer, Row
from ray_wssis.streaming.stream import Pass, stream
from ray_wssis.streaming.table import shards
from tests.support import waiting
from tests.support.waiting import wait_until

for module in (sys.modules[__name__], waiting):  # workers cannot import tests
    ray.cloudpickle.register_pickle_by_value(module)

NUM_IMAGES = 80
SECONDS = 0.1  # a batch
WORKERS = LabellingWorkers(number=2, batch_size=2, shard_size=2)


@dataclass(frozen=True)
class SlowLabeller:
    """The mean brightness of each image, after a while.  Notes the id of its process."""

    pids: str
    go_on: str = ""  # a file that the second half of the images waits for

    made_from = ""
    schema = pa.schema([("image_id", pa.int64()), ("mean", pa.float64())])
    network_size = (64, 64)
    canvas_multiple = 32
    needs_original = True

    def open(self) -> Infer:
        with Path(self.pids).open("a") as stream:
            stream.write(f"{os.getpid()}\n")
        return self.measure

    def measure(self, images: list[Image]) -> list[Row]:
        time.sleep(SECONDS)
        if self.go_on and any(image.record.image_id > NUM_IMAGES / 2 for image in images):
            wait_until(Path(self.go_on).exists)
        return [
            {"image_id": image.record.image_id, "mean": float(image.pixels.mean())}
            for image in images
        ]

    def finish(self, row: Row) -> Row:
        return row


def write_records(folder: Path) -> UPath:
    annotations = write_shapes(UPath(folder / "shapes"), NUM_IMAGES, seed=0, size=64)
    records = read_coco(annotations, UPath(folder / "shapes" / "images"))
    records.write(UPath(folder / "weak.parquet"))
    return UPath(folder / "weak.parquet")


def slow_pass(records: UPath, out: UPath, go_on: str = "") -> Pass:
    labeller = SlowLabeller(f"{out}.pids", go_on)
    return Pass(name="slow", records=[records], labeller=labeller, out=out)


def lose_a_node(job: Pass) -> None:
    """Run the pass on two nodes with room for an actor and tasks each; one is gone half-way."""
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    nodes = [cluster.add_node(num_cpus=2) for _ in range(2)]
    ray.init(address=cluster.address, log_to_driver=False)
    thread = threading.Thread(target=stream, args=(job, WORKERS))
    thread.start()
    wait_until(lambda: len(shards(job.out)) > 5)
    cluster.remove_node(nodes[0], allow_graceful=False)
    Path(f"{job.out}.lost").touch()
    thread.join()
    ray.shutdown()
    cluster.shutdown()


if __name__ == "__main__":
    records, out, *more = sys.argv[1:]
    if "--lose-a-node" in more:
        lose_a_node(slow_pass(UPath(records), UPath(out), f"{out}.lost"))
    else:
        stream(slow_pass(UPath(records), UPath(out), *more), WORKERS)
