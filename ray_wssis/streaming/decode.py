"""Pictures on their way to the networks: files are read and resized in CPU tasks.

Imported by every decoding process, so nothing here takes long to import.
"""

import itertools
import pickle
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa

from ray_wssis.data.images import (
    RGB,
    ImageError,
    decode_image,
    read_bytes,
    resize_image,
    shortest_edge_size,
)
from ray_wssis.data.records import Record

MEGAPIXEL = 1_000_000
SHARPER = 2  # a JPEG is decoded at no less than so many times the network's size
TASK, BATCH = "task", "batch"  # columns in which tasks and batches travel, a cell each


def no_pixels() -> RGB:
    return np.zeros((0, 0, 3), dtype=np.uint8)


@dataclass(frozen=True, kw_only=True)
class Failure:
    """Why nothing came of a picture."""

    stage: str  # read, decode or model
    reason: str


@dataclass(frozen=True, kw_only=True)
class Picture:
    """One picture and what is known about it."""

    record: Record
    source: str  # name of its records file without the ending: weak, audit, val, ...
    key: int  # changes when anything does that its rows are made from
    image: RGB = field(default_factory=no_pixels)  # [H, W, 3] uint8; original size, if it is needed
    network_image: RGB = field(default_factory=no_pixels)  # [h, w, 3] uint8
    failure: Failure | None = None  # then there are no pixels


@dataclass(frozen=True, kw_only=True)
class Decoder:
    """Pixels for pictures.  A picture that cannot be used gets a reason instead."""

    network_size: tuple[int, int]  # shorter side, longest side; pixels
    needs_original: bool  # whether somebody looks at more than the network's image
    max_megapixels: float

    def __call__(self, pictures: list[Picture]) -> tuple[list[Picture], dict[str, float]]:
        """The pictures with their pixels, and the seconds that reading and decoding took."""
        decoded, seconds = [], {"read": 0.0, "decode": 0.0}
        for picture in pictures:
            start = time.perf_counter()
            done, read_at = self.decode(picture)
            seconds["read"] += read_at - start
            seconds["decode"] += time.perf_counter() - read_at
            decoded.append(done)
        return decoded, seconds

    def decode(self, picture: Picture) -> tuple[Picture, float]:
        """The picture with its pixels, and when its file had been read."""
        record, stage = picture.record, "read"
        read_at = time.perf_counter()
        try:
            self.check_size(record)
            data = read_bytes(record.file)
            stage, read_at = "decode", time.perf_counter()
            return replace(picture, **self.pixels(record, data)), read_at
        except (ImageError, MemoryError) as error:
            reason = str(error) or f"{record.file}: not enough memory to decode it"
            return replace(picture, failure=Failure(stage=stage, reason=reason)), read_at

    def check_size(self, record: Record) -> None:
        if record.width * record.height > self.max_megapixels * MEGAPIXEL:
            raise ImageError(
                record.file,
                f"{record.width} x {record.height} pixels",
                f"at most {self.max_megapixels:g} megapixels (labelling_workers.max_megapixels); "
                "raise that or cut the picture into tiles",
            )

    def pixels(self, record: Record, data: bytes) -> dict[str, Any]:
        size = record.height, record.width
        height, width = shortest_edge_size(*size, *self.network_size)
        at_least = None if self.needs_original else (SHARPER * height, SHARPER * width)
        image = decode_image(record.file, data, size, at_least)
        network_image = resize_image(image, height, width)
        return {
            "image": image if self.needs_original else no_pixels(),
            "network_image": network_image,
        }


def decode_batches(tasks: pa.Table, decoder: Decoder) -> Iterator[pa.Table]:
    """One row per batch of each task (see `Source.task`): its pictures, and the seconds spent."""
    for task in tasks[TASK]:
        for pictures in read_task(task.as_buffer()):
            decoded, seconds = decoder(pictures)
            yield one_row(decoded, seconds)


def read_task(task: bytes | pa.Buffer) -> Iterator[list[Picture]]:
    """The pictures of each batch, without pixels."""
    rows = pa.ipc.open_stream(task).read_all().to_pylist()
    for _, batch in itertools.groupby(rows, key=lambda row: row["batch"]):
        yield [
            Picture(record=Record.from_row(row), source=row["source"], key=row["key"])
            for row in batch
        ]


def one_row(what: Any, seconds: dict[str, float]) -> pa.Table:
    """A batch in one cell, so that Ray Data can neither split it nor mix it with others."""
    cell = pa.array([pickle.dumps(what, protocol=5)], type=pa.large_binary())
    return pa.table({BATCH: cell} | {step: [value] for step, value in seconds.items()})
