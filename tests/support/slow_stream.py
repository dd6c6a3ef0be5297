"""A pass over many small pictures with a worker that takes its time, to be disturbed.

python -m tests.support.slow_stream RECORDS OUT [--lose-a-node]
"""

import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import ray
from upath import UPath

from ray_wssis.data.builtin.shapes import write_shapes
from ray_wssis.data.coco import read_coco
from ray_wssis.streaming.config import LabellingWorkers
from ray_wssis.streaming.decode import Picture
from ray_wssis.streaming.stream import Pass, stream
from ray_wssis.streaming.table import shards
from tests.support.waiting import wait_until

ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])  # workers cannot import tests

NUM_IMAGES = 80
SECONDS = 0.1  # a batch
WORKERS = LabellingWorkers(number=2, batch_size=2, shard_size=2)
SCHEMA = pa.schema([("image_id", pa.int64()), ("mean", pa.float64())])


class SlowWorker:
    """Pictures -> their mean brightness, after a while.  Notes the id of its process."""

    def __init__(self, pids: str) -> None:
        with Path(pids).open("a") as stream:
            stream.write(f"{os.getpid()}\n")

    def __call__(self, pictures: list[Picture]) -> list[dict[str, Any]]:
        time.sleep(SECONDS)
        return [
            {"image_id": picture.record.image_id, "mean": float(picture.image.mean())}
            for picture in pictures
        ]


def write_records(folder: Path) -> UPath:
    annotations = write_shapes(UPath(folder / "shapes"), NUM_IMAGES, seed=0, size=64)
    records = read_coco(annotations, UPath(folder / "shapes" / "images"))
    records.write(UPath(folder / "weak.parquet"))
    return UPath(folder / "weak.parquet")


def slow_pass(records: UPath, out: UPath) -> Pass:
    return Pass(
        name="slow",
        records=[records],
        worker=SlowWorker,
        arguments={"pids": f"{out}.pids"},
        schema=SCHEMA,
        made_from="",
        network_size=(64, 64),
        canvas_multiple=32,
        needs_original=True,
        out=out,
    )


def lose_a_node(job: Pass) -> None:
    """The pass on three nodes, one of which is gone half-way through."""
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    nodes = [cluster.add_node(num_cpus=2) for _ in range(2)]
    ray.init(address=cluster.address, log_to_driver=False)
    thread = threading.Thread(target=stream, args=(job, WORKERS))
    thread.start()
    wait_until(lambda: len(shards(job.out)) > 5)
    cluster.remove_node(nodes[0], allow_graceful=False)
    thread.join()
    ray.shutdown()
    cluster.shutdown()


if __name__ == "__main__":
    job = slow_pass(UPath(sys.argv[1]), UPath(sys.argv[2]))
    if "--lose-a-node" in sys.argv:
        lose_a_node(job)
    else:
        stream(job, WORKERS)
