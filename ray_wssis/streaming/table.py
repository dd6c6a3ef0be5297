"""The Parquet folders that streaming writes, read back piece by piece.

Neither files nor the rows in them are in any order; every row is about one image.
"""

import json
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from upath import UPath

ROWS_AT_A_TIME = 256
READERS = 16  # files read at the same time; they may be far away
FILES_IN_MEMORY = 8  # for `RowsById`, some MB each

Item = TypeVar("Item")
Found = TypeVar("Found")


def each_row(
    folder: UPath, columns: Sequence[str] | None = None, *, source: str | None = None
) -> Iterator[dict[str, Any]]:
    """Yield all rows of the Parquet files in `folder`, reading a few at a time; with `source`,
    only the rows of its images."""
    for file in shards(folder):
        yield from rows_of(file, columns, source)


def rows_of(
    file: UPath, columns: Sequence[str] | None = None, source: str | None = None
) -> Iterator[dict[str, Any]]:
    """Yield the rows of one Parquet file, reading a few at a time."""
    wanted = None if columns is None else list(dict.fromkeys([*columns, "source"]))
    with file.open("rb") as stream:
        for batch in pq.ParquetFile(stream).iter_batches(ROWS_AT_A_TIME, columns=wanted):
            for row in batch.to_pylist():
                if source is None or row["source"] == source:
                    yield row


def read_rows(
    folder: UPath, columns: Sequence[str] | None = None, *, source: str | None = None
) -> list[dict[str, Any]]:
    """Return the same rows in one list, by image id: for small folders."""
    rows = each_row(folder, columns, source=source)
    return sorted(rows, key=lambda row: int(row["image_id"]))


def failed_lines(folder: UPath) -> str:
    """Return a line of JSON for every image that failed, by image id."""
    names = ["image_id", "file", "stage", "error"]
    failed = [
        {"reason" if name == "error" else name: row[name] for name in names}
        for table in at_once(lambda file: read_columns(file, names), shards(folder))
        for row in table.filter(table["error"].is_valid()).to_pylist()
    ]
    failed.sort(key=lambda line: int(line["image_id"]))
    return "".join(json.dumps(line) + "\n" for line in failed)


def at_once(read: Callable[[UPath], Found], files: Iterable[UPath]) -> Iterator[Found]:
    """Yield what `read` returns for each file, in their order; some are read at the same time."""
    with ThreadPoolExecutor(READERS) as pool:
        yield from pool.map(read, files)


def pieces(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Yield the items, `size` at a time."""
    rest = iter(items)
    while piece := list(islice(rest, size)):
        yield piece


def read_columns(file: UPath, columns: Sequence[str]) -> pa.Table:
    with file.open("rb") as stream:
        return pq.read_table(stream, columns=list(columns))


def progress(folder: UPath) -> tuple[int, int]:
    """Count the rows in the Parquet files of `folder`, and the failures among them.

    Reads footers only, so it may be called while files are still written and tidied.
    """
    num_rows = num_failed = 0
    for file in shards(folder):
        metadata = read_footer(file)
        if metadata is not None:
            num_rows += metadata.num_rows
            num_failed += metadata.num_rows - num_nulls(metadata, "error")
    return num_rows, num_failed


def read_footer(file: UPath) -> pq.FileMetaData | None:
    """Return the metadata of a Parquet file; None if it does not exist or is not yet whole."""
    try:
        with file.open("rb") as stream:
            return pq.ParquetFile(stream).metadata
    except (FileNotFoundError, pa.ArrowInvalid):
        return None


def num_nulls(metadata: pq.FileMetaData, name: str) -> int:
    """Count the rows without a value in a column."""
    groups = [metadata.row_group(i) for i in range(metadata.num_row_groups)]
    columns = [group.column(i) for group in groups for i in range(group.num_columns)]
    return sum(x.statistics.null_count for x in columns if x.path_in_schema == name)


def shards(folder: UPath) -> list[UPath]:
    """List the Parquet files in `folder` by name; none if there is no such folder."""
    folder.fs.invalidate_cache()
    return sorted(folder.glob("*.parquet"), key=lambda file: file.name)


class RowsById:
    """Looks up rows of one source by image id, in a folder of any size.

    Holds only the ids, and the rows of the files that were read last.
    """

    def __init__(self, folder: UPath, source: str) -> None:
        self.files = shards(folder)
        self.source = source
        self.cached: OrderedDict[int, dict[int, dict[str, Any]]] = OrderedDict()
        ids, places = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
        found = at_once(lambda file: read_columns(file, ["image_id", "source"]), self.files)
        for place, table in enumerate(found):
            ours = table["source"].to_numpy(zero_copy_only=False) == source
            ids.append(table["image_id"].to_numpy()[ours])
            places.append(np.full(len(ids[-1]), place))
        together = np.concatenate(ids)
        order = np.argsort(together, kind="stable")
        self.ids, self.places = together[order], np.concatenate(places)[order]

    def __len__(self) -> int:
        return len(self.ids)

    def get(self, image_id: int) -> dict[str, Any] | None:
        """Return the row of an image, None if it has none."""
        at = int(np.searchsorted(self.ids, image_id))
        if at == len(self.ids) or self.ids[at] != image_id:
            return None
        return self.rows(int(self.places[at]))[image_id]

    def rows(self, place: int) -> dict[int, dict[str, Any]]:
        if place not in self.cached:
            found = rows_of(self.files[place], source=self.source)
            self.cached[place] = {row["image_id"]: row for row in found}
            if len(self.cached) > FILES_IN_MEMORY:
                self.cached.popitem(last=False)
        self.cached.move_to_end(place)
        return self.cached[place]
