"""The plan of a stream: which images share a forward pass, and which are still to be done.

A network's output for an image depends, in its last digits, on the images beside it.  Batches are
therefore planned over all images of a source, whatever is done already: a run that was killed
continues with the very batches that it would have had.
"""

from collections.abc import Iterator
from functools import cached_property
from hashlib import blake2b

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from upath import UPath

from ray_wssis.data.images.read import shortest_edge_size
from ray_wssis.data.records import SCHEMA, Records

HASHED_AT_A_TIME = 4096  # images
TASK_BYTES = 64_000_000  # of pixels per decoding task, unless one batch alone has more
BATCH_BYTES = 256_000_000  # of pixels per batch, unless one image alone has more

Batch = list[int]  # places of images in the table of their source
Size = tuple[int, int]  # height, width


class Source:
    """The images of one records file, and a key for each.

    The key is a number that changes if the image's row, points included, or `made_from` does.
    `network_size` is (shorter, longest) side in pixels; without `needs_original` an image is
    decoded at that size only.
    """

    def __init__(
        self, file: UPath, made_from: str, network_size: Size, *, needs_original: bool
    ) -> None:
        self.name = file.stem
        self.table = Records.read(file).table
        self.made_from = f"{made_from}:{self.name}"
        heights, widths = (self.table[name].to_pylist() for name in ("height", "width"))
        originals = list(zip(heights, widths, strict=True))
        self.sizes = [shortest_edge_size(*size, *network_size) for size in originals]
        self.num_bytes = [
            3 * (h * w + needs_original * height * width)
            for (h, w), (height, width) in zip(self.sizes, originals, strict=True)
        ]

    def __len__(self) -> int:
        return int(self.table.num_rows)

    @cached_property
    def keys(self) -> NDArray[np.int64]:
        """Keys of all images: (images,).  They take seconds for every 100,000 images."""
        return image_keys(self.table, self.made_from)

    def task(self, batches: list[Batch]) -> bytes:
        """Serialise some batches for a decoding task: an Arrow table of records with their keys,
        the name of their source and the number of their batch."""
        places = np.array([place for batch in batches for place in batch])
        number = [number for number, batch in enumerate(batches) for _ in batch]
        first, last = int(places.min()), int(places.max())
        near = self.table.slice(first, last - first + 1)  # `take` copies all of what it takes from
        table = near.take(pa.array(places - first))
        table = table.append_column("key", pa.array(image_keys(table, self.made_from)))
        table = table.append_column("batch", pa.array(number, type=pa.int32()))
        table = table.append_column("source", pa.array([self.name] * len(places)))
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, table.schema) as stream:
            stream.write_table(table)
        return bytes(sink.getvalue())


def image_keys(table: pa.Table, made_from: str) -> NDArray[np.int64]:
    """Return one key per row of a records table."""
    keys = []
    for rows in table.select(SCHEMA.names).to_batches(max_chunksize=HASHED_AT_A_TIME):
        columns = [column.to_pylist() for column in rows.columns]
        for values in zip(*columns, strict=True):
            digest = blake2b(f"{made_from}:{values!r}".encode(), digest_size=8).digest()
            keys.append(int.from_bytes(digest, "big", signed=True))
    return np.array(keys, dtype=np.int64)


def plan_batches(source: Source, multiple: int, batch_size: int) -> list[Batch]:
    """Group images of equal canvases, `batch_size` at a time, nearly in the order of the file.

    The sides of a canvas are multiples of `multiple` pixels, so nothing is padded needlessly.
    Batches of large images are smaller.
    """
    open_batches: dict[Size, tuple[Batch, int]] = {}  # and their bytes
    batches = []
    for place, (size, num_bytes) in enumerate(zip(source.sizes, source.num_bytes, strict=True)):
        canvas = padded(size, multiple)
        batch, total = open_batches.pop(canvas, ([], 0))
        if batch and total + num_bytes > BATCH_BYTES:
            batches.append(batch)
            batch, total = [], 0
        batch.append(place)
        if len(batch) == batch_size:
            batches.append(batch)
        else:
            open_batches[canvas] = batch, total + num_bytes
    return [*batches, *(batch for batch, _ in open_batches.values())]


def padded(size: Size, multiple: int) -> Size:
    return -(-size[0] // multiple) * multiple, -(-size[1] // multiple) * multiple


def still_to_do(source: Source, batches: list[Batch], done: NDArray[np.int64]) -> list[Batch]:
    """Leave out the images whose keys are `done`, and batches that are empty without them."""
    if not len(done):
        return batches
    is_done = np.isin(source.keys, done)
    left = ([place for place in batch if not is_done[place]] for batch in batches)
    return [batch for batch in left if batch]


def share_out(source: Source, batches: list[Batch], max_images: int) -> Iterator[list[Batch]]:
    """Yield the batches of one decoding task after the other, each of a bounded size in bytes."""
    share: list[Batch] = []
    num_images = num_bytes = 0
    for batch in batches:
        num_here = sum(source.num_bytes[place] for place in batch)
        full = num_images + len(batch) > max_images or num_bytes + num_here > TASK_BYTES
        if share and full:
            yield share
            share, num_images, num_bytes = [], 0, 0
        share.append(batch)
        num_images, num_bytes = num_images + len(batch), num_bytes + num_here
    if share:
        yield share
