"""The actor that does one bulk job, in whatever room the rest of the cluster leaves."""

import time
from collections.abc import Sequence

import ray

from ray_wssis.data.records import Records
from ray_wssis.recipes.annotate import Annotate, AnnotateConfig
from ray_wssis.streaming.config import LabellingWorkers
from ray_wssis.streaming.pool import TASK_CPUS
from wssis_serve.bulk.notes import Note
from wssis_serve.roots import resolve

LEAST_CPUS = 0.1  # for a network
SHARD_SIZE = 32  # images; callers see what is labelled shard by shard
PATIENCE = 60.0  # seconds in which others may release CPUs


class BulkWorker:
    """A process that does one job, and may be killed at any time."""

    def annotate(self, note: Note, out: str, roots: Sequence[str]) -> None:
        """Write the labels of the job into `out`, or continue writing them."""
        config = AnnotateConfig(labelling_workers=spare_workers())
        recipe = Annotate(
            note.run, note.points, note.images, out, config, retry_failed=note.retry_failed
        )
        check_places(recipe.points.records, roots)
        recipe.label()


def check_places(records: Records, roots: Sequence[str]) -> None:
    """Raise ApiError if the file of points names an image that callers may not read."""
    for file in records.table["file"].to_pylist():
        resolve(file, roots)


def spare_workers() -> LabellingWorkers:
    """Workers that fit beside everything else on the cluster.

    Raises ValueError when there is no room: the job would wait for it for ever.
    """
    until = time.monotonic() + PATIENCE
    while (free := ray.available_resources()).get("CPU", 0) < TASK_CPUS + LEAST_CPUS:
        if time.monotonic() > until:
            raise ValueError(
                f"a bulk job needs {TASK_CPUS + LEAST_CPUS:g} CPUs and only {free.get('CPU', 0):g} "
                "are free in the cluster: give the replicas fewer (cpus_each), or Ray more"
            )
        time.sleep(1)
    gpus = int(free.get("GPU", 0))
    number = max(1, gpus)
    return LabellingWorkers(
        max_number=number,
        gpus_each=1 if gpus else 0,
        cpus_each=min(1, (free["CPU"] - TASK_CPUS) / number),
        shard_size=SHARD_SIZE,
    )
