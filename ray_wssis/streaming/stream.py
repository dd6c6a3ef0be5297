"""Pictures streamed past a network: CPU tasks decode, actors think, CPU tasks write.

    records -> batches -> decode (tasks) -> worker (actors) -> finish and write (tasks) -> shards

Only a few batches are in memory at any time, however many pictures there are.  A batch travels
as one cell, so Ray Data neither splits nor mixes batches, and what comes out does not depend on
how many processes there were, which of them died, or how often the command was given.
"""

import logging
import math
import os
import pickle
import sys
import time
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

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
from ray_wssis.streaming.config import LabellingWorkers
from ray_wssis.streaming.decode import (
    BATCH,
    TASK,
    Decoder,
    Failure,
    Picture,
    decode_batches,
    one_row,
    read_task,
)
from ray_wssis.streaming.plan import Batch, Source, plan_batches, share_out, still_to_do
from ray_wssis.streaming.shards import Finish, Row, finish_and_write, finished, tidy, write_shard

DECODE_CPUS = 0.5
WRITE_CPUS = 0.25
TASK_CPUS = 0.8  # that actors leave to the others: one task of each kind
TASK_PICTURES = 128  # that are decoded by one task, at the most
TASKS_PER_ACTOR = 4  # at least, where there are pictures enough
RETRIES = 3  # of what an actor was at when it died
LAST_ATTEMPT = 4  # twice as planned, then picture by picture, then they are given up
STEPS = ("read", "decode", "model", "encode")
SAY_EVERY = 10.0  # seconds
MOST_SAID = 3  # reasons of failures that the log shows
logger = logging.getLogger(__name__)


class PictureWorker(Protocol):
    """Built once per actor, then called batch after batch, for pictures that have pixels.

    Each row says the `image_id` that it is about.
    """

    def __call__(self, pictures: list[Picture]) -> list[Row]: ...


@dataclass(frozen=True, kw_only=True)
class Pass:
    """One way through all pictures of some records files.

    `made_from` stands for everything that decides the rows, beside the pictures' own records.
    `network_size` is (shorter, longest) side in pixels; without `needs_original` only images of
    that size are decoded, and large JPEGs faster.
    """

    name: str  # in the log
    records: list[UPath]
    worker: type[PictureWorker]
    arguments: dict[str, Any]
    schema: pa.Schema  # of the rows
    made_from: str
    network_size: tuple[int, int]
    canvas_multiple: int  # pixels
    needs_original: bool
    out: UPath  # folder of the shards
    finish: Finish | None = None  # what is left to do for a row, in another process


@dataclass(kw_only=True)
class Throughput:
    """What was done, and where the time went."""

    num_images: int = 0
    num_failed: int = 0  # of them
    seconds: float = 0.0  # by the clock
    busy: Counter[str] = field(default_factory=Counter)  # seconds of all processes, by step
    places: dict[str, float] = field(default_factory=dict)  # processes that fit in, by step

    def add(self, row: Row, seconds: float) -> None:
        self.seconds += seconds
        self.num_images += row["num_images"]
        self.num_failed += row["num_failed"]
        self.busy.update({step: row[step] for step in STEPS})

    @property
    def rate(self) -> float | None:
        """Images per second."""
        return self.num_images / self.seconds if self.seconds else None

    @property
    def bottleneck(self) -> str | None:
        """The step that the others wait for: the one whose processes were busiest."""
        if not self.num_images:
            return None
        return max(STEPS, key=lambda step: self.busy[step] / self.places[step])

    def figures(self) -> dict[str, Any]:
        return {
            "num_images": self.num_images,
            "num_failed": self.num_failed,
            "seconds": self.seconds,
            "images_per_second": self.rate,
            "busy_seconds": {step: self.busy[step] for step in STEPS},
            "bottleneck": self.bottleneck,
        }


class TooManyFailures(ValueError):
    """More pictures failed than was allowed."""


@dataclass(kw_only=True)
class Failures:
    """Counts pictures that failed, up to the most that are allowed."""

    name: str  # of the pass
    most: int | None
    before: int  # in earlier attempts and runs
    now: int = 0

    def add(self, number: int, reason: str | None) -> None:
        if number and self.now < MOST_SAID:
            logger.warning("%s: %s", self.name, reason)
        self.now += number
        self.check(f"; the last one: {reason}")

    def check(self, more: str = "") -> None:
        number = self.before + self.now
        if self.most is not None and number > self.most:
            raise TooManyFailures(
                f"{self.name}: {number} images failed, more than max_failures allows{more}. What "
                "is done stays; mend the cause and pass --retry-failed, or raise the limit"
            )


def stream(
    job: Pass,
    workers: LabellingWorkers,
    *,
    retry_failed: bool = False,
    max_failures: int | None = None,
) -> Throughput:
    """Rows for every picture, in shards; those that are there already are not made again.

    A picture that cannot be used has one row with an `error`; with `retry_failed` it is tried
    again.  Raises TooManyFailures when more than `max_failures` pictures have one, and OSError
    when shards cannot be written; what was done stays done.
    """
    sources = [
        Source(file, job.made_from, job.network_size, needs_original=job.needs_original)
        for file in job.records
    ]
    plans = [plan_batches(source, job.canvas_multiple, workers.batch_size) for source in sources]
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
        left = [still_to_do(*each, done) for each in zip(sources, plans, strict=True)]
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
        alone = attempt > 2  # one picture may have killed all processes that it came near
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


def task_size(num_left: int, workers: LabellingWorkers) -> int:
    """Pictures for a decoding task: few enough that each actor has something to do."""
    share = num_left // (TASKS_PER_ACTOR * (workers.max_number or workers.number))
    return max(1, min(TASK_PICTURES, workers.shard_size, share))


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
    """Stream the pictures of some tasks, and add to `total` what was done."""
    connect()
    num_wanted = total.num_images + num_left
    start = said_at = time.monotonic()
    shards = pipeline(job, workers, tasks, total, alone=alone)
    metrics = LabellingMetrics(run_id(job.out.parent.parent), job.name, num_left, total.places)
    with metrics:
        for row in shards.iter_rows():
            if row["cannot_write"] is not None:
                raise OSError(
                    f"{job.name}: {job.out} cannot be written: {row['cannot_write']}. What is done "
                    "stays; make room and give the command again"
                )
            now = time.monotonic()
            total.add(row, now - start)
            metrics.add(row, STEPS)
            start = now
            failures.add(row["num_failed"], row["failure"])
            if now - said_at > SAY_EVERY:
                said_at = now
                figures = total.figures() | {"num_wanted": num_wanted}
                logger.info("%s", progress(job.name, total, num_wanted), extra=figures)


def progress(name: str, total: Throughput, num_wanted: int) -> str:
    """`  labels 1280/20000  52.1 images/s  5:59 left`"""
    assert total.rate is not None
    left = int((num_wanted - total.num_images) / total.rate)
    failed = f"  {total.num_failed} failed" if total.num_failed else ""
    return (
        f"  {name} {total.num_images}/{num_wanted}  {total.rate:.1f} images/s  "
        f"{left // 60}:{left % 60:02d} left{failed}"
    )


def pipeline(
    job: Pass,
    workers: LabellingWorkers,
    tasks: Iterable[bytes],
    total: Throughput,
    *,
    alone: bool,
) -> ray.data.Dataset:
    """What Ray Data is asked to do: one row for every shard comes out.

    With `alone` no batch waits in the process of another one, to die with it.
    """
    num_nodes = sum(node["Alive"] for node in ray.nodes())
    pool = Pool.of(workers, ray.cluster_resources(), num_nodes)
    total.places = {step: pool.most if step == "model" else pool.others for step in STEPS}
    decoder = Decoder(
        network_size=job.network_size,
        needs_original=job.needs_original,
        max_megapixels=workers.max_megapixels,
    )
    context = DataContext.get_current().copy()
    context.max_errored_blocks = -1  # of processes that died: `stream` goes after their pictures
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
        thought = decoded.map_batches(
            StreamActor,
            fn_constructor_args=[job.worker, job.arguments, pool.share_cpu],
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
        return thought.map_batches(
            finish_and_write,  # type: ignore[arg-type]
            fn_args=[job.out, job.schema, job.finish],
            batch_size=max(1, workers.shard_size // workers.batch_size),
            batch_format="pyarrow",
            num_cpus=WRITE_CPUS,
        )


@dataclass(frozen=True, kw_only=True)
class Pool:
    """How a cluster is shared between actors and tasks."""

    most: int  # actors
    gpus_each: float
    cpus_each: float
    share_cpu: int | None  # actors that share a node's cores; None: they compute on GPUs
    others: float  # decoding tasks that there is room for beside them

    @classmethod
    def of(cls, workers: LabellingWorkers, cluster: dict[str, float], num_nodes: int) -> "Pool":
        """Actors never take all CPUs, or nobody could decode what they wait for."""
        known_gpus, known_cpus = cluster.get("GPU", 0), cluster.get("CPU", 1)
        gpus = workers.gpus_each
        if gpus is None:
            gpus = 1.0 if known_gpus >= workers.number else 0.0
        most = workers.max_number or (int(known_gpus / gpus) if gpus else workers.number)
        most = max(workers.number, most)
        cpus = min(workers.cpus_each, max(0.0, known_cpus - TASK_CPUS) / most)
        if cpus == DECODE_CPUS:
            cpus += 0.01  # Ray Data merges steps that ask for the same
        others = max(1.0, (known_cpus - most * cpus) / DECODE_CPUS)
        share = None if gpus else math.ceil(most / num_nodes)
        return cls(most=most, gpus_each=gpus, cpus_each=cpus, share_cpu=share, others=others)


def give_up(job: Pass, sources: list[Source], left: list[list[Batch]]) -> None:
    """A row for each picture whose every try ended with a dead process."""
    failure = Failure(stage="model", reason="each process that worked on it died; out of memory?")
    for source, batches in zip(sources, left, strict=True):
        if batches:
            rows = [
                failed_row(picture, failure)
                for pictures in read_task(source.task(batches))
                for picture in pictures
            ]
            write_shard(job.out, rows, job.schema)


class StreamActor:
    """A worker behind Arrow tables."""

    def __init__(
        self, worker: type[PictureWorker], arguments: dict[str, Any], share_cpu: int | None
    ) -> None:
        self.worker = worker(**arguments)
        if share_cpu is not None and "torch" in sys.modules:  # not every worker has a network
            threads = max(1, (os.cpu_count() or 1) // share_cpu)
            sys.modules["torch"].set_num_threads(threads)

    def __call__(self, batches: pa.Table) -> Iterator[pa.Table]:
        for row in batches.to_pylist():
            start = time.perf_counter()
            rows = self.think(pickle.loads(row[BATCH]))
            seconds = {step: row[step] for step in ("read", "decode")}
            yield one_row(rows, seconds | {"model": time.perf_counter() - start})

    def think(self, pictures: list[Picture]) -> list[Row]:
        """Rows of all pictures; of those that fail together, each on its own."""
        rows = [
            failed_row(picture, picture.failure)
            for picture in pictures
            if picture.failure is not None
        ]
        readable = [picture for picture in pictures if picture.failure is None]
        if not readable:
            return rows
        try:
            return rows + self.rows_of(readable)
        except Exception as error:  # whatever it was, the other pictures have nothing to do with it
            if len(readable) == 1:
                reason = f"{readable[0].record.file}: {type(error).__name__}: {error}"
                return [*rows, failed_row(readable[0], Failure(stage="model", reason=reason))]
        return rows + [row for picture in readable for row in self.think([picture])]

    def rows_of(self, pictures: list[Picture]) -> list[Row]:
        known = {picture.record.image_id: picture for picture in pictures}
        made = self.worker(pictures)
        return [
            {"error": None, "stage": None}
            | row
            | {
                "pictures": known[row["image_id"]].source,
                "key": known[row["image_id"]].key,
            }
            for row in made
        ]


def failed_row(picture: Picture, failure: Failure) -> Row:
    record = picture.record
    return {
        "pictures": picture.source,
        "image_id": record.image_id,
        "key": picture.key,
        "file": record.file,
        "width": record.width,
        "height": record.height,
        "stage": failure.stage,
        "error": failure.reason,
    }
