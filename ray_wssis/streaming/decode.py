"""Images on their way to the networks: files are read and resized in CPU tasks.

Every decoding process imports this module, so it imports nothing slow.
"""

import itertools
import pickle
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa

from ray_wssis.data.images.read import (
    RGB,
    ImageError,
    decode_image,
    read_bytes,
    resize_image,
    shortest_edge_size,
)
from ray_wssis.data.records import Record

MEGAPIXEL = 1_000_000
SHARPER = 2  # a JPEG is decoded at no less than this many times the network's size


def no_pixels() -> RGB:
    return np.zeros((0, 0, 3), dtype=np.uint8)


@dataclass(frozen=True, kw_only=True)
class Failure:
    """The reason why an image has no rows."""

    stage: str  # read, decode or model
    reason: str


@dataclass(frozen=True, kw_only=True)
class Image:
    """One image, what is known about it and, once decoded, its pixels."""

    record: Record
    source: str  # name of its records file without the suffix: weak, audit, val, ...
    key: int  # changes with everything that its rows are made from
    pixels: RGB = field(
        default_factory=no_pixels
    )  # [H, W, 3] uint8, original size; empty if not needed
    network_image: RGB = field(default_factory=no_pixels)  # [h, w, 3] uint8
    failure: Failure | None = None  # if set, there are no pixels


@dataclass(frozen=True, kw_only=True)
class Decoder:
    """Gives images their pixels; one that cannot be used gets a reason instead."""

    network_size: tuple[int, int]  # shorter side, longest side; pixels
    needs_original: bool  # False: only the network's size is decoded
    max_megapixels: float

    def __call__(self, images: list[Image]) -> tuple[list[Image], dict[str, float]]:
        """Decode the images; also returns the seconds that reading and decoding took."""
        decoded, seconds = [], {"read": 0.0, "decode": 0.0}
        for image in images:
            start = time.perf_counter()
            done, read_at = self.decode(image)
            seconds["read"] += read_at - start
            seconds["decode"] += time.perf_counter() - read_at
            decoded.append(done)
        return decoded, seconds

    def decode(self, image: Image) -> tuple[Image, float]:
        """Decode one image; also returns the time at which its file had been read."""
        record, stage = image.record, "read"
        read_at = time.perf_counter()
        try:
            self.check_size(record)
            data = read_bytes(record.file)
            stage, read_at = "decode", time.perf_counter()
            return replace(image, **self.both_sizes(record, data)), read_at
        except (ImageError, MemoryError) as error:
            reason = str(error) or f"{record.file}: not enough memory to decode it"
            return replace(image, failure=Failure(stage=stage, reason=reason)), read_at

    def check_size(self, record: Record) -> None:
        if record.width * record.height > self.max_megapixels * MEGAPIXEL:
            raise ImageError(
                record.file,
                f"{record.width} x {record.height} pixels",
                f"at most {self.max_megapixels:g} megapixels (labelling_workers.max_megapixels); "
                "raise that or cut the image into tiles",
            )

    def both_sizes(self, record: Record, data: bytes) -> dict[str, Any]:
        size = record.height, record.width
        height, width = shortest_edge_size(*size, *self.network_size)
        at_least = None if self.needs_original else (SHARPER * height, SHARPER * width)
        pixels = decode_image(record.file, data, size, at_least)
        network_image = resize_image(pixels, height, width)
        return {
            "pixels": pixels if self.needs_original else no_pixels(),
            "network_image": network_image,
        }


def decode_batches(task: bytes, decoder: Decoder) -> Iterator[Any]:
    """Yield the images of each batch of a task (see `Source.task`) as bytes; at last the id of
    this node and the seconds that each batch took."""
    import ray  # others import this module without it

    spent = []
    for images in read_task(task):
        decoded, seconds = decoder(images)
        spent.append(seconds)
        yield pickle.dumps(decoded, protocol=5)
    yield str(ray.get_runtime_context().get_node_id()), spent


def read_task(task: bytes) -> Iterator[list[Image]]:
    """Yield the images of each batch, without pixels."""
    rows = pa.ipc.open_stream(task).read_all().to_pylist()
    for _, batch in itertools.groupby(rows, key=lambda row: row["batch"]):
        yield [
            Image(record=Record.from_row(row), source=row["source"], key=row["key"])
            for row in batch
        ]
