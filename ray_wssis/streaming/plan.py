"""Which pictures share a forward pass, and which are still to be done.

A network's answer for a picture depends, in its last digits, on the pictures beside it.  So
batches are planned over all pictures of a source, before anybody asks what is done already: a
run that was killed goes on with the very batches that it would have had.
"""

from collections.abc import Iterator
from hashlib import blake2b

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from upath import UPath

from ray_wssis.data.images import shortest_edge_size
from ray_wssis.data.records import SCHEMA, Records

DESCRIBED_AT_A_TIME = 4096  # pictures
TASK_BYTES = 64_000_000  # of the pixels that it decodes, unless one batch alone has more
BATCH_BYTES = 256_000_000  # of the pixels of a batch, unless one picture alone has more

Batch = list[int]  # places of pictures in the table of their source
Size = tuple[int, int]  # height, width


class Source:
    """The pictures of one records file, and a key for each.

    The key is a number that changes when the picture's row, points included, or `made_from` does.
    `network_size` is (shorter, longest) side in pixels; without `needs_original` a picture takes
    part only at that size.
    """

    def __init__(
        self, file: UPath, made_from: str, network_size: Size, *, needs_original: bool
    ) -> None:
        self.name = file.stem
        self.table = Records.read(file).table
        self.keys = picture_keys(self.table, f"{made_from}:{self.name}")
        heights, widths = (self.table[name].to_pylist() for name in ("height", "width"))
        originals = list(zip(heights, widths, strict=True))
        self.sizes = [shortest_edge_size(*size, *network_size) for size in originals]
        self.num_bytes = [
            3 * (h * w + needs_original * height * width)
            for (h, w), (height, width) in zip(self.sizes, originals, strict=True)
        ]

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def task(self, batches: list[Batch]) -> bytes:
        """What a decoding task is told: an Arrow table of records with their keys, the name of
        their source, and the number of their batch."""
        places = [place for batch in batches for place in batch]
        number = [number for number, batch in enumerate(batches) for _ in batch]
        table = self.table.take(pa.array(places, type=pa.int64())).append_column(
            "key", pa.array(self.keys[places])
        )
        table = table.append_column("batch", pa.array(number, type=pa.int32()))
        table = table.append_column("source", pa.array([self.name] * len(places)))
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, table.schema) as stream:
            stream.write_table(table)
        return bytes(sink.getvalue())


def picture_keys(table: pa.Table, made_from: str) -> NDArray[np.int64]:
    """One key per row of a records table."""
    keys = []
    for rows in table.select(SCHEMA.names).to_batches(max_chunksize=DESCRIBED_AT_A_TIME):
        columns = [column.to_pylist() for column in rows.columns]
        for values in zip(*columns, strict=True):
            digest = blake2b(f"{made_from}:{values!r}".encode(), digest_size=8).digest()
            keys.append(int.from_bytes(digest, "big", signed=True))
    return np.array(keys, dtype=np.int64)


def plan_batches(source: Source, multiple: int, batch_size: int) -> list[Batch]:
    """Pictures whose canvases are equal, `batch_size` at a time, nearly in the order of the file.

    A canvas is a multiple of `multiple` pixels, so nothing is padded that need not be.  Batches
    of large pictures are smaller.
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
    """The batches without the pictures whose keys are `done`; empty ones are left out."""
    is_done = np.isin(source.keys, done)
    left = ([place for place in batch if not is_done[place]] for batch in batches)
    return [batch for batch in left if batch]


def share_out(source: Source, batches: list[Batch], max_pictures: int) -> Iterator[list[Batch]]:
    """Batches for one decoding task after the other, with a bounded number of bytes each."""
    some: list[Batch] = []
    num_pictures = num_bytes = 0
    for batch in batches:
        here = sum(source.num_bytes[place] for place in batch)
        full = num_pictures + len(batch) > max_pictures or num_bytes + here > TASK_BYTES
        if some and full:
            yield some
            some, num_pictures, num_bytes = [], 0, 0
        some.append(batch)
        num_pictures, num_bytes = num_pictures + len(batch), num_bytes + here
    if some:
        yield some
