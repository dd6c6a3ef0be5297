"""The Parquet folders that streaming writes, read back in a fixed order."""

from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from upath import UPath


def read_rows(folder: UPath) -> list[dict[str, Any]]:
    """All rows of the Parquet files in `folder`, by image id."""
    rows: list[dict[str, Any]] = read_table(folder).to_pylist()
    return sorted(rows, key=lambda row: row["image_id"])


def read_table(folder: UPath) -> pa.Table:
    """The same as one Arrow table, in the order of the files.  ValueError if there is none."""
    tables = []
    for file in sorted(folder.glob("*.parquet")):
        with file.open("rb") as stream:
            tables.append(pq.read_table(stream))
    if not tables:
        raise ValueError(f"{folder}: there is no Parquet file")
    return pa.concat_tables(tables)
