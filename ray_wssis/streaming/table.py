"""The Parquet folders that streaming writes, read back piece by piece.

Files come in no order and hold rows in no order; every row is of one picture.
"""

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from upath import UPath

ROWS_AT_A_TIME = 256
FILES_AT_HAND = 8  # that `RowsById` keeps in memory, some MB each

Item = TypeVar("Item")


def each_row(
    folder: UPath, columns: Sequence[str] | None = None, *, pictures: str | None = None
) -> Iterator[dict[str, Any]]:
    """All rows of the Parquet files in `folder`, a few at a time; with `pictures`, only those of
    pictures of this source."""
    for file in shards(folder):
        yield from rows_of(file, columns, pictures)


def rows_of(
    file: UPath, columns: Sequence[str] | None = None, pictures: str | None = None
) -> Iterator[dict[str, Any]]:
    """The rows of one Parquet file, a few at a time."""
    wanted = None if columns is None else list(dict.fromkeys([*columns, "pictures"]))
    with file.open("rb") as stream:
        for batch in pq.ParquetFile(stream).iter_batches(ROWS_AT_A_TIME, columns=wanted):
            for row in batch.to_pylist():
                if pictures is None or row["pictures"] == pictures:
                    yield row


def read_rows(
    folder: UPath, columns: Sequence[str] | None = None, *, pictures: str | None = None
) -> list[dict[str, Any]]:
    """The same in one list, by image id: for small folders."""
    rows = each_row(folder, columns, pictures=pictures)
    return sorted(rows, key=lambda row: int(row["image_id"]))


def pieces(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """The items, `size` at a time."""
    rest = iter(items)
    while some := list(islice(rest, size)):
        yield some


def read_columns(file: UPath, columns: Sequence[str]) -> pa.Table:
    with file.open("rb") as stream:
        return pq.read_table(stream, columns=list(columns))


def progress(folder: UPath) -> tuple[int, int]:
    """How many rows the Parquet files in `folder` hold, and how many of them are failures.

    It takes the footers alone, so it may be asked while files are still written and tidied.
    """
    num_rows = num_failed = 0
    for file in shards(folder):
        metadata = read_footer(file)
        if metadata is not None:
            num_rows += metadata.num_rows
            num_failed += metadata.num_rows - num_nulls(metadata, "error")
    return num_rows, num_failed


def read_footer(file: UPath) -> pq.FileMetaData | None:
    """What a Parquet file says about itself; None when it is not there, or not yet whole."""
    try:
        with file.open("rb") as stream:
            return pq.ParquetFile(stream).metadata
    except (FileNotFoundError, pa.ArrowInvalid):
        return None


def num_nulls(metadata: pq.FileMetaData, name: str) -> int:
    """Rows without a value in a column."""
    groups = [metadata.row_group(i) for i in range(metadata.num_row_groups)]
    columns = [group.column(i) for group in groups for i in range(group.num_columns)]
    return sum(each.statistics.null_count for each in columns if each.path_in_schema == name)


def shards(folder: UPath) -> list[UPath]:
    """The Parquet files in `folder`, by name; none when there is no such folder."""
    folder.fs.invalidate_cache()
    return sorted(folder.glob("*.parquet"), key=lambda file: file.name)


class RowsById:
    """Rows of one source of pictures in a folder of any size, asked for by image id.

    Only ids are held, and the last few files that were looked into.
    """

    def __init__(self, folder: UPath, pictures: str) -> None:
        self.files = shards(folder)
        self.pictures = pictures
        self.at_hand: OrderedDict[int, dict[int, dict[str, Any]]] = OrderedDict()
        ids, places = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
        for place, file in enumerate(self.files):
            table = read_columns(file, ["image_id", "pictures"])
            ours = table["pictures"].to_numpy(zero_copy_only=False) == pictures
            ids.append(table["image_id"].to_numpy()[ours])
            places.append(np.full(len(ids[-1]), place))
        together = np.concatenate(ids)
        order = np.argsort(together, kind="stable")
        self.ids, self.places = together[order], np.concatenate(places)[order]

    def __len__(self) -> int:
        return len(self.ids)

    def get(self, image_id: int) -> dict[str, Any] | None:
        """The row of a picture, None when there is none."""
        at = int(np.searchsorted(self.ids, image_id))
        if at == len(self.ids) or self.ids[at] != image_id:
            return None
        return self.rows(int(self.places[at]))[image_id]

    def rows(self, place: int) -> dict[int, dict[str, Any]]:
        if place not in self.at_hand:
            found = rows_of(self.files[place], pictures=self.pictures)
            self.at_hand[place] = {row["image_id"]: row for row in found}
            if len(self.at_hand) > FILES_AT_HAND:
                self.at_hand.popitem(last=False)
        self.at_hand.move_to_end(place)
        return self.at_hand[place]
