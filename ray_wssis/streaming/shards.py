"""Finished rows in Parquet files that are whole or do not exist at all.

A shard holds all rows of each of its images.  Its name is a hash of their keys, so writing it
twice writes it once.  The digest of a folder depends on its rows alone, not on the shards that
they ended up in (`content_digest`).
"""

import hashlib
import io
import logging
import pickle
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from upath import UPath

from ray_wssis.storage import remove, write_atomically, write_json
from ray_wssis.streaming.labeller import Labeller, Row
from ray_wssis.streaming.table import at_once, read_columns, shards

COMMON = [  # columns of every shard, beside those of the labeller
    pa.field("source", pa.string()),  # name of the records file: weak, audit, val, ...
    pa.field("image_id", pa.int64()),
    pa.field("key", pa.int64()),
    pa.field("stage", pa.string()),  # where it failed: read, decode or model; null: it did not
    pa.field("error", pa.string()),
    pa.field("hash", pa.int64()),  # of all the other columns
]
CONTENT = "content.json"

logger = logging.getLogger(__name__)


def with_common(schema: pa.Schema) -> pa.Schema:
    own = [field for field in schema if field.name not in {common.name for common in COMMON}]
    return pa.schema([*COMMON[:3], *own, *COMMON[3:]])


def write_shard(folder: UPath, rows: list[dict[str, Any]], schema: pa.Schema) -> None:
    """Write `rows` to one file of `folder`.  Raises OSError if that is not possible."""
    table = pa.Table.from_pylist(
        [row | {"hash": row_hash(row, schema)} for row in rows], schema=with_common(schema)
    )
    write_table(folder, table)


def write_table(folder: UPath, table: pa.Table) -> None:
    keys = np.unique(table["key"].to_numpy())
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    folder.mkdir(parents=True, exist_ok=True)
    name = hashlib.sha256(keys.tobytes()).hexdigest()[:16]
    write_atomically(folder / f"{name}.parquet", buffer.getvalue())


def row_hash(row: dict[str, Any], schema: pa.Schema) -> int:
    values = [row.get(name) for name in with_common(schema).names if name != "hash"]
    digest = hashlib.blake2b(repr(values).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


class Written(NamedTuple):
    """The rows of a folder of shards, as they were at one look."""

    folder: UPath
    files: list[UPath]
    keys: NDArray[np.int64]  # of each row; here and below (rows,)
    failed: NDArray[np.bool_]
    shard: NDArray[np.int64]  # the place of its file

    def finished(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the keys of the images that have rows, and the keys of those that failed."""
        known = np.unique(self.keys)
        return known, np.setdiff1d(known, self.keys[~self.failed])

    def tidy(self, wanted: NDArray[np.int64]) -> None:
        """Keep the rows of each image of `wanted` once, and nothing else.

        Other rows are left over from an earlier configuration, or were written twice by a node that
        died.  If an image failed once and later did not, its good rows stay.
        """
        order = np.lexsort((self.shard, self.failed, self.keys))  # of each key, the best first
        known, first = np.unique(self.keys[order], return_index=True)
        best = self.shard[order][first]
        kept = self.shard == best[np.searchsorted(known, self.keys)]
        kept &= np.isin(self.keys, wanted)
        for place in np.unique(self.shard[~kept]).tolist():
            keep_rows(self.files[place], kept[self.shard == place])


def look(folder: UPath) -> Written:
    """Read which rows there are, opening every shard once."""
    files: list[UPath] = []
    keys, failed, places = [np.zeros(0, np.int64)], [np.zeros(0, np.bool_)], [np.zeros(0, np.int64)]
    for file, table in tables(folder, ["key", "error"]):
        keys.append(table["key"].to_numpy())
        failed.append(table["error"].is_valid().to_numpy())
        places.append(np.full(table.num_rows, len(files)))
        files.append(file)
    columns = np.concatenate(keys), np.concatenate(failed), np.concatenate(places)
    return Written(folder, files, *columns)


def keep_rows(file: UPath, kept: NDArray[np.bool_]) -> None:
    """Rewrite a shard with only some of its rows."""
    with file.open("rb") as stream:
        table = pq.read_table(stream).filter(pa.array(kept))
    if table.num_rows:
        write_table(file.parent, table)
    remove(file)


def content_digest(folder: UPath) -> dict[str, Any]:
    """Return the number of rows and a SHA-256 over them, the same in whichever shards they lie."""
    found = [np.zeros((0, 2), dtype=np.int64)]
    for _, table in tables(folder, ["key", "hash"]):
        found.append(np.stack([table["key"].to_numpy(), table["hash"].to_numpy()], axis=1))
    rows = np.concatenate(found)
    rows = rows[np.lexsort((rows[:, 1], rows[:, 0]))]
    return {"num_rows": len(rows), "sha256": hashlib.sha256(rows.tobytes()).hexdigest()}


def write_content(folder: UPath) -> None:
    """Write `content.json` beside a folder of shards.

    The names of shards are up to chance, so a manifest lists them as it lists logs; which rows
    they hold is in this file, and therefore in the digest of the artifact.
    """
    write_json(folder.parent / CONTENT, content_digest(folder))


def tables(folder: UPath, columns: list[str]) -> Iterator[tuple[UPath, pa.Table]]:
    """Yield some columns of every shard.  Removes shards that cannot be read: they are redone."""

    def read(file: UPath) -> tuple[UPath, pa.Table | None]:
        try:
            return file, read_columns(file, columns)
        except (pa.ArrowInvalid, KeyError):
            return file, None

    for file, table in at_once(read, shards(folder)):
        if table is None:
            logger.warning("%s is damaged: it is removed, and its images are labelled again", file)
            remove(file)
        else:
            yield file, table


def finish_and_write(folder: UPath, labeller: Labeller, *batches: bytes) -> Row:
    """Write a shard with the rows of some batches, each row finished first.

    Returns what was done, how long it took, and why the shard could not be written, if so.
    """
    start = time.perf_counter()
    rows = [row for batch in batches for row in pickle.loads(batch)]
    failures = [row["error"] for row in rows if row["error"] is not None]
    done = {
        "num_images": len({row["key"] for row in rows}),
        "num_failed": len(failures),
        "failure": failures[0] if failures else None,
        "cannot_write": None,
    }
    try:
        finished_rows = [row if row["error"] else labeller.finish(row) for row in rows]
        write_shard(folder, finished_rows, labeller.schema)
    except OSError as error:  # not raised: some have arguments that no process can read back
        done["cannot_write"] = str(error)
    return done | {"encode": time.perf_counter() - start}
