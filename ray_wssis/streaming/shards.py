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
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray
from upath import UPath

from ray_wssis.storage import remove, write_atomically, write_json
from ray_wssis.streaming.labeller import Labeller, Row
from ray_wssis.streaming.table import read_columns, shards

COMMON = [  # columns of every shard, beside those of the labeller
    pa.field("source", pa.string()),  # name of the records file: weak, audit, val, ...
    pa.field("image_id", pa.int64()),
    pa.field("key", pa.int64()),
    pa.field("stage", pa.string()),  # where it failed: read, decode or model; null: it did not
    pa.field("error", pa.string()),
    pa.field("hash", pa.int64()),  # of all the other columns
]
CONTENT = "content.json"
READERS = 16  # files read at the same time; they may be far away

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


def finished(folder: UPath) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the keys of the images that have rows, and the keys of those that failed."""
    keys, fine = [np.zeros(0, dtype=np.int64)], [np.zeros(0, dtype=np.int64)]
    for _, table in tables(folder, ["key", "error"]):
        keys.append(table["key"].to_numpy())
        fine.append(table.filter(pc.is_null(table["error"]))["key"].to_numpy())
    all_keys = np.unique(np.concatenate(keys))
    return all_keys, np.setdiff1d(all_keys, np.concatenate(fine))


def tidy(folder: UPath, wanted: NDArray[np.int64]) -> None:
    """Keep the rows of each image of `wanted` once, and nothing else.

    Other rows are left over from an earlier configuration, or were written twice by a node that
    died.  If an image failed once and later did not, its good rows stay.
    """
    files: list[UPath] = []
    parts = [np.zeros((3, 0), dtype=np.int64)]
    for file, table in tables(folder, ["key", "error"]):
        keys = table["key"].to_numpy()
        failed = pc.is_valid(table["error"]).to_numpy()
        parts.append(np.stack([keys, failed, np.full(len(keys), len(files))]))
        files.append(file)
    keys, failed, shard = np.concatenate(parts, axis=1)
    order = np.lexsort((shard, failed, keys))  # of each key, the best shard first
    known, first = np.unique(keys[order], return_index=True)
    best = shard[order][first]
    kept = (shard == best[np.searchsorted(known, keys)]) & np.isin(keys, wanted)
    for place in np.unique(shard[~kept]).tolist():
        keep_rows(files[place], kept[shard == place])


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

    with ThreadPoolExecutor(READERS) as pool:
        for file, table in pool.map(read, shards(folder)):
            if table is None:
                logger.warning(
                    "%s is damaged: it is removed, and its images are labelled again", file
                )
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
