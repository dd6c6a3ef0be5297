"""Images streamed past a network: CPU tasks decode, actors infer, CPU tasks write.

    records -> batches -> decode (tasks) -> infer (actors) -> finish and write (tasks) -> shards

Batches are planned before it is known which are done already, so the rows depend neither on the
number of processes, nor on which of them died, nor on how often the command was given.
"""

import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from upath import UPath

from ray_wssis.live_metrics import LabellingMetrics
from ray_wssis.logs import run_id
from ray_wssis.session import connect
from ray_wssis.shared_folder import check_shared
from ray_wssis.streaming.config import LabellingWorkers
from ray_wssis.streaming.flow import Flow
from ray_wssis.streaming.item import Item
from ray_wssis.streaming.labeller import Labeller
from ray_wssis.streaming.plan import Batch, Source, plan_batches, share_out, still_to_do
from ray_wssis.streaming.pool import task_size
from ray_wssis.streaming.shards import Written, look
from ray_wssis.streaming.throughput import STEPS, Failures, Throughput

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
    again.  Raises TooManyFailures if more than `max_failures` images have one, LabellingStopped if
    no process can load the networks or nothing is finished for too long, and OSError if shards
    cannot be written; finished shards are kept.
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
    written = look(job.out)
    done, failed = written.finished()
    if retry_failed:
        done = np.setdiff1d(done, failed)
    before = np.intersect1d(failed, done)
    if len(before):
        before = np.intersect1d(before, all_keys(sources))
    failures = Failures(name=job.name, most=max_failures, before=len(before))
    failures.check()
    left = [still_to_do(source, plan, done) for source, plan in zip(sources, plans, strict=True)]
    total = Throughput()
    if any(left):
        run(job, workers, sources, left, total, failures)
        written = look(job.out)
        check_written(written, all_keys(sources))
    else:
        logger.info("%s: nothing to do, %d images are done", job.name, sum(map(len, sources)))
    written.tidy(all_keys(sources))
    return total


def all_keys(sources: list[Source]) -> NDArray[np.int64]:
    """Return the keys of all images."""
    return np.concatenate([source.keys for source in sources])


def run(
    job: Pass,
    workers: LabellingWorkers,
    sources: list[Source],
    left: list[list[Batch]],
    total: Throughput,
    failures: Failures,
) -> None:
    """Stream the images of some batches of each source, and add what was done to `total`."""
    num_left = sum(len(batch) for batches in left for batch in batches)
    logger.info("%s: %d of %d images to do", job.name, num_left, sum(map(len, sources)))
    connect()
    first = next(Item(source=x, batch=own[0]) for x, own in zip(sources, left, strict=True) if own)
    check_shared(job.out, first.source.table["file"][first.batch[0]].as_py())
    shares = share_all(sources, left, task_size(num_left, workers))
    num_items = sum(map(len, left))
    start = logged_at = time.monotonic()
    with Flow(job.name, job.labeller, job.out, workers, shares, num_items) as flow:
        total.places = flow.places
        metrics = LabellingMetrics(run_id(job.out.parent.parent), job.name, num_left, flow.places)
        with metrics:
            for row in flow.rows():
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
                    figures = total.figures() | {"num_wanted": num_left}
                    logger.info("%s", total.progress(job.name, num_left), extra=figures)


def share_all(
    sources: list[Source], left: list[list[Batch]], max_images: int
) -> Iterator[list[Item]]:
    """Yield what each decoding task makes."""
    for source, batches in zip(sources, left, strict=True):
        for share in share_out(source, batches, max_images):
            yield [Item(source=source, batch=batch) for batch in share]


def check_written(written: Written, wanted: NDArray[np.int64]) -> None:
    """Raise OSError if rows are not where other nodes say that they have put them."""
    if missing := len(np.setdiff1d(wanted, written.keys)):
        raise OSError(
            f"{written.folder}: {missing} of {len(wanted)} images have no row, although all were "
            "written. Is it a folder that all nodes share? `wssis doctor` can tell"
        )
