import pickle
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from upath import UPath

from ray_wssis.streaming.labeller import Infer, Row
from ray_wssis.streaming.shards import (
    content_digest,
    finish_and_write,
    look,
    write_shard,
)
from ray_wssis.streaming.table import (
    RowsById,
    each_row,
    pieces,
    progress,
    read_columns,
    read_rows,
    shards,
)

SCHEMA = pa.schema([("image_id", pa.int64()), ("mask", pa.list_(pa.binary()))])


def row(key: int, mask: bytes = b"1", error: str | None = None, source: str = "weak") -> Any:
    return {
        "source": source,
        "image_id": key + 100,
        "key": key,
        "mask": [mask],
        "stage": None if error is None else "read",
        "error": error,
    }


@dataclass(frozen=True)
class Labels:
    """A labeller, of which only the schema and `finish` are of interest here."""

    mask: bytes | None = None

    schema = SCHEMA
    made_from = ""
    network_size = (1, 1)
    canvas_multiple = 1
    needs_original = False

    def open(self) -> Infer:
        raise NotImplementedError

    def finish(self, row: Row) -> Row:
        return row if self.mask is None else row | {"mask": [self.mask]}


@pytest.fixture
def folder(tmp_path: Path) -> UPath:
    return UPath(tmp_path / "rows")


def keys(folder: UPath) -> list[int]:
    return sorted(each["key"] for each in each_row(folder))


def test_a_shard_written_twice_is_written_once(folder: UPath) -> None:
    write_shard(folder, [row(1), row(2)], SCHEMA)
    write_shard(folder, [row(2), row(1)], SCHEMA)
    assert len(shards(folder)) == 1 and keys(folder) == [1, 2]


def test_the_footers_say_how_many_rows_there_are_and_how_many_failed(folder: UPath) -> None:
    assert progress(folder) == (0, 0)
    write_shard(folder, [row(1), row(2, error="cut short"), row(3)], SCHEMA)
    write_shard(folder, [row(4, error="gone")], SCHEMA)
    (folder / "unfinished.parquet").write_bytes(b"PAR1")
    assert progress(folder) == (4, 2)


def test_the_digest_is_of_the_rows_not_of_the_shards(folder: UPath, tmp_path: Path) -> None:
    rows = [row(key) for key in range(6)]
    write_shard(folder, rows[:4], SCHEMA)
    write_shard(folder, rows[4:], SCHEMA)
    other = UPath(tmp_path / "other")
    for each in reversed(rows):
        write_shard(other, [each], SCHEMA)
    assert content_digest(folder) == content_digest(other)
    write_shard(other, [row(9)], SCHEMA)
    assert content_digest(folder) != content_digest(other)


def test_the_digest_sees_every_column(folder: UPath, tmp_path: Path) -> None:
    write_shard(folder, [row(1, b"1")], SCHEMA)
    write_shard(UPath(tmp_path / "other"), [row(1, b"2")], SCHEMA)
    assert content_digest(folder) != content_digest(UPath(tmp_path / "other"))


def test_finished_and_failed_images_are_told_apart(folder: UPath) -> None:
    write_shard(folder, [row(1), row(2, error="gone")], SCHEMA)
    write_shard(folder, [row(3, error="gone")], SCHEMA)
    write_shard(folder, [row(3)], SCHEMA)  # tried again
    done, failed = look(folder).finished()
    assert (done.tolist(), failed.tolist()) == ([1, 2, 3], [2])
    assert [len(each) for each in look(folder / "nowhere").finished()] == [0, 0]


def test_a_look_opens_every_shard_once(folder: UPath, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(1, 4):
        write_shard(folder, [row(number)], SCHEMA)
    opened: list[str] = []

    def read(file: UPath, columns: Sequence[str]) -> pa.Table:
        opened.append(file.name)
        return read_columns(file, columns)

    monkeypatch.setattr("ray_wssis.streaming.shards.read_columns", read)
    written = look(folder)
    written.finished()
    written.tidy(np.array([1, 2, 3]))
    assert sorted(opened) == sorted(file.name for file in shards(folder))


def test_tidying_leaves_each_wanted_image_once(folder: UPath) -> None:
    write_shard(folder, [row(1), row(2), row(3, error="gone")], SCHEMA)
    write_shard(folder, [row(2), row(3), row(4)], SCHEMA)
    write_shard(folder, [row(7)], SCHEMA)
    look(folder).tidy(np.array([1, 2, 3]))
    assert keys(folder) == [1, 2, 3]
    assert not any(each["error"] for each in each_row(folder))
    before = [file.name for file in shards(folder)]
    look(folder).tidy(np.array([1, 2, 3]))
    assert [file.name for file in shards(folder)] == before


def test_all_rows_of_an_image_stay(folder: UPath) -> None:
    write_shard(folder, [row(1, b"1"), row(1, b"2"), row(5)], SCHEMA)
    look(folder).tidy(np.array([1]))
    assert [each["mask"] for each in each_row(folder)] == [[b"1"], [b"2"]]


def test_a_damaged_shard_is_removed(folder: UPath) -> None:
    write_shard(folder, [row(1)], SCHEMA)
    write_shard(folder, [row(2)], SCHEMA)
    (folder / "cut.parquet").write_bytes(shards(folder)[0].read_bytes()[:40])
    done, _ = look(folder).finished()
    assert done.tolist() == [1, 2] and len(shards(folder)) == 2


def test_rows_of_a_batch_are_finished_and_written(folder: UPath) -> None:
    batches = [pickle.dumps([row(1), row(2, error="gone")]), pickle.dumps([row(3)])]
    done = finish_and_write(folder, Labels(mask=b"9"), *batches)
    assert (done["num_images"], done["num_failed"], done["failure"]) == (3, 1, "gone")
    assert done["encode"] > 0 and done["cannot_write"] is None
    assert [each["mask"] for each in read_rows(folder)] == [[b"9"], [b"1"], [b"9"]]


def test_what_cannot_be_written_is_told(folder: UPath) -> None:
    Path(str(folder)).write_text("in the way")
    done = finish_and_write(folder, Labels(), pickle.dumps([row(1)]))
    assert "exists" in done["cannot_write"]


def test_rows_are_found_by_image_id(folder: UPath) -> None:
    for first in range(0, 60, 3):
        sources = ("weak", "weak", "audit")
        some = [row(first + i, source=name) for i, name in enumerate(sources)]
        write_shard(folder, some, SCHEMA)
    rows = RowsById(folder, "weak")
    assert len(rows) == 40
    for key in (58, 0, 31, 58):
        found = rows.get(key + 100)
        assert found is not None and found["key"] == key
    assert rows.get(102) is None and rows.get(5) is None and rows.get(10**6) is None


def test_pieces() -> None:
    assert list(pieces(range(5), 2)) == [[0, 1], [2, 3], [4]]
    assert list(pieces([], 2)) == []
