"""Tests of ray_wssis.data.records."""

import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ray_wssis.data.records import Category, Click, Object, Record, Records

CATEGORIES = (Category(id=7, name="dog"), Category(id=3, name="cat"))


def record(image_id: int, num_objects: int = 1) -> Record:
    """The first object has a mask, the others have points."""
    objects = (
        Object(
            annotation_id=10 * image_id + i,
            label=1,
            mask=b"0<" if i == 0 else None,
            point=None if i == 0 else (1.5, 2.5),
        )
        for i in range(num_objects)
    )
    return Record(
        image_id=image_id, file=f"{image_id}.png", width=4, height=3, objects=tuple(objects)
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


@pytest.mark.parametrize("few", [1, 2, 3, 100])
def test_many_records_are_a_table_and_the_same(few: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ray_wssis.data.records.FEW", few)
    rows = [record(i, i % 3) for i in range(7)]
    records = Records.from_rows(iter(rows), CATEGORIES)
    assert list(records) == rows
    for places in ([], [0], [1, 4, 6], list(range(7))):
        where = np.isin(np.arange(7), places)
        changed = records.changed(lambda row: replace(row, file="new"), where)
        assert list(changed) == [
            replace(row, file="new") if i in places else row for i, row in enumerate(rows)
        ]


def test_a_file_gives_back_rows_and_categories(tmp_path: Path) -> None:
    records = Records.from_rows([record(1, 2), record(2, 0)], CATEGORIES)
    file = str(tmp_path / "new" / "records.parquet")
    records.write(file)
    again = Records.read(file)
    assert list(again) == list(records)
    assert again.categories == records.categories


CLICKS = [(), (Click(0.5, 1.5, True), Click(3.5, 2.5, False)), (Click(2.5, 0.5, False),)]


def test_an_object_has_no_clicks_unless_they_are_given() -> None:
    assert [obj.clicks for obj in record(1, 2).objects] == [(), ()]


def test_clicks_are_kept_in_files_and_with_their_objects(tmp_path: Path) -> None:
    objects = zip(record(1, 3).objects, CLICKS, strict=True)
    clicked = tuple(replace(obj, clicks=clicks) for obj, clicks in objects)
    whole = replace(record(1, 3), objects=clicked)
    file = str(tmp_path / "records.parquet")
    Records.from_rows([record(2, 2), whole, record(3, 0)], CATEGORIES).write(file)
    again = list(Records.read(file))
    assert again == [record(2, 2), whole, record(3, 0)]
    assert [obj.clicks for obj in again[1].objects] == CLICKS


def test_what_is_known_of_an_image_is_kept_in_files(tmp_path: Path) -> None:
    known = replace(record(1), class_map=b"a PNG", tags=(1, 0), annotated=b"<0")
    rows = [known, replace(record(2), tags=()), record(3)]
    file = str(tmp_path / "records.parquet")
    Records.from_rows(rows, CATEGORIES).write(file)
    again = list(Records.read(file))
    assert again == rows
    assert (again[0].class_map, again[0].tags, again[0].annotated) == (b"a PNG", (1, 0), b"<0")
    assert (again[1].tags, again[2].tags) == ((), None)  # none of the classes; nobody said


@pytest.mark.parametrize("column", ["clicks", "class_map", "tags", "annotated", "confidence"])
def test_older_files_that_lack_a_column_are_read(column: str, tmp_path: Path) -> None:
    records = Records.from_rows([record(1, 2), record(2, 0), record(3, 1)], CATEGORIES)
    file = str(tmp_path / "old.parquet")
    records.write(file)
    pq.write_table(pq.read_table(file).drop_columns([column]), file)
    again = Records.read(file)
    assert list(again) == list(records)
    assert [[obj.clicks for obj in row.objects] for row in again] == [[(), ()], [], [()]]
    assert {(row.class_map, row.tags, row.annotated) for row in again} == {(None, None, None)}
    assert again.table.schema == records.table.schema


def test_masks_of_a_data_set_may_have_more_than_2_gib(tmp_path: Path) -> None:
    """Arrow can neither read back more in one row group, nor take rows from it in plain columns."""
    records = Records.from_rows([record(i) for i in range(1100)], CATEGORIES)
    file = tmp_path / "many.parquet"
    records.write(str(file))
    metadata = pq.read_metadata(file)
    assert [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)] == [
        512,
        512,
        76,
    ]
    read = Records.read(str(file))
    assert read.table.schema.field("mask").type == pa.list_(pa.large_binary())
    assert list(read) == list(records)
    assert [x.image_id for x in read.select([1099, 3, 600])] == [1099, 3, 600]


def test_files_with_smaller_columns_are_read(tmp_path: Path) -> None:
    records = Records.from_rows([record(1, 2)], CATEGORIES)
    small = pa.schema(
        [
            pa.field(field.name, pa.list_(pa.binary())) if field.name == "mask" else field
            for field in records.schema
        ],
        metadata=records.schema.metadata,
    )
    file = tmp_path / "small.parquet"
    pq.write_table(records.table.cast(small), file)
    assert list(Records.read(str(file))) == list(records)


def test_records_are_turned_into_a_table_once_and_never_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows = [record(1, 2), record(2, 0)]
    records = Records.from_rows(rows, CATEGORIES)
    monkeypatch.setattr(Record, "from_row", None)
    assert records.select([1, 0])[1] is rows[0]
    assert all(held is row for held, row in zip(records, rows, strict=True))
    assert "table" not in vars(records)
    assert records.table is records.table


def test_another_parquet_file_is_refused(tmp_path: Path) -> None:
    file = str(tmp_path / "other.parquet")
    pq.write_table(pa.table({"image_id": [1]}), file)
    with pytest.raises(ValueError, match=r"lacks columns .*'file'"):
        Records.read(file)


def test_records_travel_to_other_processes() -> None:
    records = Records.from_rows([record(1)], CATEGORIES)
    assert list(pickle.loads(pickle.dumps(records))) == list(records)
