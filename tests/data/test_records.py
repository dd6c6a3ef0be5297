"""Tests of ray_wssis.data.records."""

import pickle
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ray_wssis.data.records import Category, Click, Record, Records

CATEGORIES = (Category(id=7, name="dog"), Category(id=3, name="cat"))


def record(image_id: int, num_objects: int = 1) -> Record:
    return Record(
        image_id=image_id,
        file=f"{image_id}.png",
        width=4,
        height=3,
        annotation_ids=[10 * image_id + i for i in range(num_objects)],
        labels=[1] * num_objects,
        masks=[b"0<" if i == 0 else None for i in range(num_objects)],
        points=[None if i == 0 else (1.5, 2.5) for i in range(num_objects)],
        crowds=[False] * num_objects,
    )


def test_records_are_what_was_put_in() -> None:
    rows = [record(1, 2), record(2, 0), record(3)]
    records = Records.from_rows(rows, CATEGORIES)
    assert list(records) == rows
    assert [records[0], records[1], records[-1]] == rows
    assert len(records) == 3
    assert "3 images, 2 classes: cat, dog" in repr(records)


def test_categories_are_sorted_by_id() -> None:
    assert [entry.name for entry in Records.from_rows([], CATEGORIES).categories] == ["cat", "dog"]


def test_a_place_that_is_not_there_is_an_index_error() -> None:
    with pytest.raises(IndexError, match="record 1 of 1"):
        Records.from_rows([record(1)], CATEGORIES)[1]


def test_selected_rows_come_in_the_order_asked_for() -> None:
    records = Records.from_rows([record(1), record(2), record(3)], CATEGORIES)
    assert [row.image_id for row in records.select([2, 0])] == [3, 1]
    assert len(records.select([])) == 0


def test_a_file_gives_back_rows_and_categories(tmp_path: Path) -> None:
    records = Records.from_rows([record(1, 2), record(2, 0)], CATEGORIES)
    file = str(tmp_path / "new" / "records.parquet")
    records.write(file)
    again = Records.read(file)
    assert list(again) == list(records)
    assert again.categories == records.categories


CLICKS = [[], [Click(0.5, 1.5, True), Click(3.5, 2.5, False)], [Click(2.5, 0.5, False)]]


def test_an_object_has_no_clicks_unless_they_are_given() -> None:
    first, second = record(1, 2), record(2, 2)
    assert first.clicks == [[], []]
    first.clicks[0].append(Click(1, 1, True))
    assert first.clicks[1] == second.clicks[0] == []
    empty = record(3, 0)
    full = replace(record(3, 1), clicks=empty.clicks)
    assert (empty.clicks, full.clicks) == ([], [[]])


def test_clicks_are_kept_in_files_and_with_their_objects(tmp_path: Path) -> None:
    clicked = replace(record(1, 3), clicks=CLICKS)
    file = str(tmp_path / "records.parquet")
    Records.from_rows([record(2, 2), clicked, record(3, 0)], CATEGORIES).write(file)
    assert list(Records.read(file)) == [record(2, 2), clicked, record(3, 0)]
    assert clicked.keep([2, 1]).clicks == [CLICKS[2], CLICKS[1]]


def test_files_from_before_there_were_clicks_have_none(tmp_path: Path) -> None:
    records = Records.from_rows([record(1, 2), record(2, 0), record(3, 1)], CATEGORIES)
    file = str(tmp_path / "old.parquet")
    records.write(file)
    pq.write_table(pq.read_table(file).drop_columns(["clicks"]), file)
    again = Records.read(file)
    assert [row.clicks for row in again] == [[[], []], [], [[]]]
    assert list(again) == list(records)
    assert again.table.schema == records.table.schema


def test_clicks_for_other_than_all_objects_are_refused() -> None:
    with pytest.raises(AssertionError, match="different lengths"):
        replace(record(1, 2), clicks=[[]])


def test_another_parquet_file_is_refused(tmp_path: Path) -> None:
    file = str(tmp_path / "other.parquet")
    pq.write_table(pa.table({"image_id": [1]}), file)
    with pytest.raises(ValueError, match=r"lacks columns .*'file'"):
        Records.read(file)


def test_records_travel_to_other_processes() -> None:
    records = Records.from_rows([record(1)], CATEGORIES)
    assert list(pickle.loads(pickle.dumps(records))) == list(records)


def test_objects_can_be_picked_from_a_record() -> None:
    picked = record(1, 3).keep([2, 0])
    assert picked.annotation_ids == [12, 10]
    assert picked.masks == [None, b"0<"]
    assert picked.points == [(1.5, 2.5), None]
