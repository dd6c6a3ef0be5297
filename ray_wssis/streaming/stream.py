"""Images streamed past a network: CPU tasks decode, actors infer, CPU tasks write.

    records -> batches -> decode (tasks) -> infer (actors) -> finish and write (tasks) -> shards

Only a few batches are in memory at any time, however many images there are.  A batch travels as
one cell, so Ray Data neither splits nor mixes batches, and the rows do not depend on how many
processes there were, which of them died, or how often the command was given.
"""

import logging
import time
import warnings
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import ray
import ray.data
from ray.data import ActorPoolStrategy, DataContext
from ray.util.annotations import RayDeprecationWarning
from upath import UPath

from ray_wssis.live_metrics import LabellingMetrics
from ray_wssis.logs import run_id
from ray_wssis.session import connect
from ray_wssis.streaming.actor import StreamActor, failed_row
from ray_wssis.streaming.config import LabellingWorkers
from ray_wssis.streaming.decode import TASK, Decoder, Failure, decode_batches, read_task
from ray_wssis.streaming.labeller import Labeller
from ray_wssis.streaming.plan import Batch, Source, plan_batches, share_out, still_to_do
from ray_wssis.streaming.pool import DECODE_CPUS, WRITE_CPUS, Pool, task_size
from ray_wssis.streaming.shards import finish_and_write, finished, tidy, write_shard
from ray_wssis.streaming.throughput import STEPS, Failures, Throughput

RETRIES = 3  # of the batch that an actor worked on when it died
LAST_ATTEMPT = 4  # twice as planned, then image by image, then the rest is given up
PROGRESS_EVERY = 10.0  # seconds

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Pass:
    """One way through all images of some records files."""

    name: str  # in the log
    records: list[UPath]
    labeller: Labeller
    out: UPath  # folder of the shards


def stream(
    job: Pass,
    workers: LabellingWorkers,
    *,
    retry_failed: bool = False,
    max_failures: int | None = None,
) -> Throughput:
    """Write rows for every image, in shards; those that exist are not made again.

    An image that cannot be used has one row with an `error`; with `retry_failed` it is tried
    again.  Raises TooManyFailures if more than `max_failures` images have one, and OSError if
    shards cannot be written; finished shards are kept.
    """
    labeller = job.labeller
    sources = [
        Source(
            file,
            labeller.made_from,
            labeller.network_size,
            needs_original=labeller.needs_original,
        )
        for file in job.records
    ]
    plans = [
        plan_batches(source, labeller.canvas_multiple, workers.batch_size) for source in sources
    ]
    wanted = np.concatenate([source.keys for source in sources])
    total = Throughput()
    for attempt in range(1, LAST_ATTEMPT + 1):
        done, failed = finished(job.out)
        if retry_failed and attempt == 1:
            done = np.setdiff1d(done, failed)
        failures = Failures(
            name=job.name,
            most=max_failures,
            before=len(np.intersect1d(np.intersect1d(failed, done), wanted)),
        )
        failures.check()
        left = [
            still_to_do(source, plan, done) for source, plan in zip(sources, plans, strict=True)
        ]
        num_left = sum(len(batch) for batches in left for batch in batches)
        if not num_left:
            break
        if attempt == 1:
            logger.info("%s: %d of %d images to do", job.name, num_left, len(wanted))
        else:
            logger.warning("%s: processes died with %d images", job.name, num_left)
        if attempt == LAST_ATTEMPT:
            give_up(job, sources, left)
            break
        size = task_size(num_left, workers)
        alone = attempt > 2  # one image may have killed every process that it came near
        if alone:
            left = [[[place] for batch in batches for place in batch] for batches in left]
            size = 1
        tasks = (
            source.task(share)
            for source, batches in zip(sources, left, strict=True)
            for share in share_out(source, batches, size)
        )
        run(job, workers, tasks, num_left, total, failures, alone=alone)
    if not total.num_images:
        logger.info("%s: nothing to do, %d images are done", job.name, len(wanted))
    tidy(job.out, wanted)
    return total


def run(
    job: Pass,
    workers: LabellingWorkers,
    tasks: Iterable[bytes],
    num_left: int,
    total: Throughput,
    failures: Failures,
    *,
    alone: bool,
) -> None:
    """Stream the images of some tasks, and add what was done to `total`."""
    connect()
    num_wanted = total.num_images + num_left
    start = logged_at = time.monotonic()
    shards = pipeline(job, workers, tasks, total, alone=alone)
    metrics = LabellingMetrics(run_id(job.out.parent.parent), job.name, num_left, total.places)
    with metrics:
        for row in shards.iter_rows():
            if row["cannot_write"] is not None:
                raise OSError(
                    f"{job.name}: {job.out} cannot be written: {row['cannot_write']}. Finished "
                    "work is kept; make room and give the command again"
                )
            now = time.monotonic()
            total.add(row, now - start)
            metrics.add(row, STEPS)
            start = now
            failures.add(row["num_failed"], row["failure"])
            if now - logged_at > PROGRESS_EVERY:
                logged_at = now
                figures = total.figures() | {"num_wanted": num_wanted}
                logger.info("%s", total.progress(job.name, num_wanted), extra=figures)


def pipeline(
    job: Pass,
    workers: LabellingWorkers,
    tasks: Iterable[bytes],
    total: Throughput,
    *,
    alone: bool,
) -> ray.data.Dataset:
    """Build the Ray Data pipeline, from which one row comes out for every shard.

    With `alone` no batch waits in the process of another one, to die with it.
    """
    num_nodes = sum(node["Alive"] for node in ray.nodes())
    pool = Pool.of(workers, ray.cluster_resources(), num_nodes)
    total.places = {step: pool.most if step == "model" else pool.others for step in STEPS}
    decoder = Decoder(
        network_size=job.labeller.network_size,
        needs_original=job.labeller.needs_original,
        max_megapixels=workers.max_megapixels,
    )
    context = DataContext.get_current().copy()
    context.max_errored_blocks = -1  # of processes that died: `stream` retries their images
    with DataContext.current(context), warnings.catch_warnings():
        warnings.simplefilter("ignore", RayDeprecationWarning)  # max_task_retries has no other way
        decoded = ray.data.from_arrow(
            [pa.table({TASK: pa.array([task], type=pa.large_binary())}) for task in tasks]
        ).map_batches(
            decode_batches,  # type: ignore[arg-type]
            fn_args=[decoder],
            batch_size=None,  # a whole block: one task
            batch_format="pyarrow",
            num_cpus=DECODE_CPUS,
        )
        inferred = decoded.map_batches(
            StreamActor,
            fn_constructor_args=[job.labeller, pool.share_cpu],
            batch_size=1,  # given whole blocks, actors grew by 10 KiB an image
            batch_format="pyarrow",
            compute=ActorPoolStrategy(
                min_size=workers.number,
                max_size=pool.most,
                max_tasks_in_flight_per_actor=1 if alone else None,
            ),
            num_gpus=pool.gpus_each,
            num_cpus=pool.cpus_each,
            max_task_retries=RETRIES,
        )
        return inferred.map_batches(
            finish_and_write,  # type: ignore[arg-type]
            fn_args=[job.out, job.labeller],
            batch_size=max(1, workers.shard_size // workers.batch_size),
            batch_format="pyarrow",
            num_cpus=WRITE_CPUS,
        )


def give_up(job: Pass, sources: list[Source], left: list[list[Batch]]) -> None:
    """Write a row for every image whose attempts all ended with a dead process."""
    failure = Failure(stage="model", reason="each process that worked on it died; out of memory?")
    for source, batches in zip(sources, left, strict=True):
        if batches:
            rows = [
                failed_row(image, failure)
                for images in read_task(source.task(batches))
                for image in images
            ]
            write_shard(job.out, rows, job.labeller.schema)
