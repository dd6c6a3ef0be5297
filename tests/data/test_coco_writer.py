from pathlib import Path

import pytest
from upath import UPath

from ray_wssis.data.coco import load_json, read_coco, write_coco
from ray_wssis.data.coco_writer import CocoWriter
from ray_wssis.data.records import Category, Object, Record, Records

CATEGORIES = [Category(id=3, name="cat"), Category(id=7, name='"dog"')]


def record(image_id: int, num_objects: int) -> Record:
    return Record(
        image_id=image_id,
        file=f"{image_id}.png",
        width=2,
        height=2,
        objects=tuple(
            Object(annotation_id=10 * image_id + i, label=i % 2, mask=b"04", point=(1.0, 1.0))
            for i in range(num_objects)
        ),
    )


RECORDS = Records.from_rows([record(1, 2), record(2, 0), record(3, 1)], CATEGORIES)


def test_it_writes_what_is_written_at_once(tmp_path: Path) -> None:
    write_coco(RECORDS, UPath(tmp_path / "once.json"), info={"by": "hand"})
    with CocoWriter(UPath(tmp_path / "many.json"), CATEGORIES, {"by": "hand"}) as writer:
        for each in RECORDS:
            writer.add(each)
    assert load_json(UPath(tmp_path / "many.json")) == load_json(UPath(tmp_path / "once.json"))


def test_annotations_carry_more_keys(tmp_path: Path) -> None:
    with CocoWriter(UPath(tmp_path / "a.json"), CATEGORIES) as writer:
        writer.add(RECORDS[0], [{"expected_iou": 0.5}, {}])
    first, second = load_json(UPath(tmp_path / "a.json"))["annotations"]
    assert first["expected_iou"] == 0.5 and "expected_iou" not in second


def test_no_picture_at_all_is_a_file_too(tmp_path: Path) -> None:
    with CocoWriter(UPath(tmp_path / "a.json"), CATEGORIES):
        pass
    assert len(read_coco(UPath(tmp_path / "a.json"), "")) == 0


def test_a_file_that_was_not_finished_is_no_json(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), CocoWriter(UPath(tmp_path / "a.json"), CATEGORIES) as writer:
        writer.add(RECORDS[0])
        raise RuntimeError("the disk is full")
    with pytest.raises(ValueError, match="not a JSON file"):
        load_json(UPath(tmp_path / "a.json"))
