"""Pictures streamed past a network: CPU tasks decode, actors think, Parquet files come out.

Only a few pictures are in memory at any time, however many there are.  What an actor does with
them is a `PictureWorker`; it knows no Ray and no files.
"""

import os
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import ray
import ray.data
import torch
from pydantic import Field
from ray.data import ActorPoolStrategy, SaveMode
from upath import UPath

from ray_wssis.config import Config
from ray_wssis.data.images import ImageError, read_image, resize_image, shortest_edge_size
from ray_wssis.data.records import Record

PICTURES_PER_BLOCK = 16  # a block is tens of MB of pixels at the most
DECODE_CPUS = 0.5  # other than an actor's, or Ray would decode inside the actor
PIXELS = pa.schema(
    [
        ("pixels", pa.large_binary()),  # [height, width, 3] uint8 of the original picture
        ("network_pixels", pa.large_binary()),  # the same at network size; null: equal
        ("network_height", pa.int32()),
        ("network_width", pa.int32()),
        ("error", pa.string()),  # why there are no pixels
    ]
)


class LabellingWorkers(Config):
    """How streaming is shared out.  It never changes what comes out."""

    number: int = Field(default=1, ge=1)  # actors, each with networks of its own
    gpus_each: float | None = None  # null: one where the cluster has any, else none
    cpus_each: float = Field(default=1, gt=0)
    batch_size: int = Field(default=8, ge=1)  # pictures per forward pass


@dataclass(frozen=True, kw_only=True)
class Picture:
    """One decoded picture and what is known about it."""

    record: Record
    image: np.ndarray  # [H, W, 3] uint8, original size
    network_image: np.ndarray  # [h, w, 3] uint8
    error: str | None = None  # then both are empty


class PictureWorker(Protocol):
    """Built once per actor, then called batch after batch."""

    schema: pa.Schema

    def __call__(self, pictures: list[Picture]) -> list[dict[str, Any]]: ...


def stream(
    records: UPath,
    worker: type[PictureWorker],
    arguments: dict[str, Any],
    network_size: tuple[int, int],
    workers: LabellingWorkers,
    out: UPath,
) -> None:
    """Show all pictures of a records file to `worker(**arguments)`; its rows go to Parquet in
    `out`.  `network_size` is (shorter, longest) side in pixels."""
    gpus = workers.gpus_each
    if gpus is None:
        gpus = 1.0 if ray.cluster_resources().get("GPU", 0) >= workers.number else 0.0
    pictures = ray.data.read_parquet(str(records)).repartition(
        target_num_rows_per_block=PICTURES_PER_BLOCK
    )
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
    rows.write_parquet(str(out), mode=SaveMode.OVERWRITE)


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


def decode_rows(table: pa.Table, network_size: tuple[int, int]) -> pa.Table:
    """Add the pixels of each picture; a picture that cannot be read gets a reason instead."""
    added = [decode_row(row, network_size) for row in table.to_pylist()]
    columns = pa.Table.from_pylist(added, schema=PIXELS)
    for field in PIXELS:
        table = table.append_column(field, columns[field.name])
    return table.replace_schema_metadata(None)


def decode_row(row: dict[str, Any], network_size: tuple[int, int]) -> dict[str, Any]:
    try:
        image = read_image(row["file"], (row["height"], row["width"]))
    except ImageError as error:
        return {"error": str(error)}
    shorter, longest = network_size
    height, width = shortest_edge_size(row["height"], row["width"], shorter, longest)
    small = resize_image(image, height, width)
    return {
        "pixels": image.tobytes(),
        "network_pixels": None if small.shape == image.shape else small.tobytes(),
        "network_height": height,
        "network_width": width,
    }


def read_picture(row: dict[str, Any]) -> Picture:
    record = Record.from_row(row)
    if row["error"] is not None:
        nothing = np.zeros((0, 0, 3), dtype=np.uint8)
        return Picture(record=record, image=nothing, network_image=nothing, error=row["error"])
    image = np.frombuffer(row["pixels"], dtype=np.uint8).reshape(record.height, record.width, 3)
    small = image
    if row["network_pixels"] is not None:
        small = np.frombuffer(row["network_pixels"], dtype=np.uint8)
        small = small.reshape(row["network_height"], row["network_width"], 3)
    return Picture(record=record, image=image, network_image=small)
