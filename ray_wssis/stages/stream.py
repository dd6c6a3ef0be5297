"""Pictures streamed past a network: CPU tasks decode, actors think, Parquet files come out.

Only a few pictures are in memory at any time, however many there are.  What an actor does with
them is a `PictureWorker`; it knows no Ray and no files.
"""

import os
from typing import Any, Protocol

import pyarrow as pa
import ray
import ray.data
import torch
from pydantic import Field
from ray.data import ActorPoolStrategy, SaveMode
from upath import UPath

from ray_wssis.config import Config
from ray_wssis.session import connect
from ray_wssis.stages.decode import Picture, decode_rows, read_picture

PICTURES_PER_BLOCK = 16  # a block is tens of MB of pixels at the most
DECODE_CPUS = 0.5  # other than an actor's, or Ray would decode inside the actor


class LabellingWorkers(Config):
    """How streaming is shared out.  It never changes what comes out."""

    number: int = Field(default=1, ge=1)  # actors, each with networks of its own
    gpus_each: float | None = None  # null: one where the cluster has any, else none
    cpus_each: float = Field(default=1, gt=0)
    batch_size: int = Field(default=8, ge=1)  # pictures per forward pass


class PictureWorker(Protocol):
    """Built once per actor, then called batch after batch."""

    schema: pa.Schema

    def __call__(self, pictures: list[Picture]) -> list[dict[str, Any]]: ...


def stream(
    records: list[UPath],
    worker: type[PictureWorker],
    arguments: dict[str, Any],
    network_size: tuple[int, int],
    workers: LabellingWorkers,
    out: UPath,
    *,
    folder_per: str | None = None,
) -> None:
    """Show all pictures of some records files to `worker(**arguments)`; its rows go to Parquet.

    They lie in `out`, or for a column `folder_per` in `out/COLUMN=VALUE`.  `network_size` is
    (shorter, longest) side in pixels.
    """
    connect()
    gpus = workers.gpus_each
    if gpus is None:
        gpus = 1.0 if ray.cluster_resources().get("GPU", 0) >= workers.number else 0.0
    pictures = ray.data.read_parquet(
        [str(file) for file in records], include_paths=True
    ).repartition(target_num_rows_per_block=PICTURES_PER_BLOCK)
    decoded = pictures.map_batches(
        decode_rows,  # type: ignore[arg-type]
        fn_args=[network_size],
        batch_size=PICTURES_PER_BLOCK,
        batch_format="pyarrow",
        num_cpus=DECODE_CPUS,
    )
    rows = decoded.map_batches(
        StreamActor,
        fn_constructor_args=[worker, arguments, workers.number if gpus == 0 else None],
        batch_size=workers.batch_size,
        batch_format="pyarrow",
        compute=ActorPoolStrategy(size=workers.number),
        num_gpus=gpus,
        num_cpus=workers.cpus_each,
    )
    columns = None if folder_per is None else [folder_per]
    rows.write_parquet(str(out), partition_cols=columns, mode=SaveMode.OVERWRITE)


class StreamActor:
    """A worker behind Arrow tables."""

    def __init__(
        self, worker: type[PictureWorker], arguments: dict[str, Any], share_cpu: int | None
    ) -> None:
        if share_cpu is not None:
            torch.set_num_threads(max(1, (os.cpu_count() or 1) // share_cpu))
        self.worker = worker(**arguments)

    def __call__(self, table: pa.Table) -> pa.Table:
        rows = self.worker([read_picture(row) for row in table.to_pylist()])
        return pa.Table.from_pylist(rows, schema=self.worker.schema)
