import json
from dataclasses import replace
from pathlib import Path

import pytest
from upath import UPath

from ray_wssis.data.coco.file import load_json
from ray_wssis.data.coco.read import read_coco, records_from_coco
from ray_wssis.data.coco.write import CocoWriter, write_coco
from ray_wssis.data.records import Category, Click, Object, Record, Records
from ray_wssis.masks import from_polygons
from tests.support.coco_files import SQUARE, coco

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
        for row in RECORDS:
            writer.add(row)
    assert load_json(UPath(tmp_path / "many.json")) == load_json(UPath(tmp_path / "once.json"))


def test_a_file_is_json_without_spaces_in_the_order_of_coco(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    write_coco(RECORDS, str(file), info={"by": "hand"})
    text = file.read_text()
    assert text == json.dumps(json.loads(text), separators=(",", ":"))
    assert list(json.loads(text)) == ["info", "images", "annotations", "categories"]


def test_annotations_carry_extra_keys(tmp_path: Path) -> None:
    with CocoWriter(UPath(tmp_path / "a.json"), CATEGORIES) as writer:
        writer.add(RECORDS[0], [{"expected_iou": 0.5}, {}])
    first, second = load_json(UPath(tmp_path / "a.json"))["annotations"]
    assert first["expected_iou"] == 0.5 and "expected_iou" not in second


def test_no_image_at_all_is_a_file_too(tmp_path: Path) -> None:
    with CocoWriter(UPath(tmp_path / "a.json"), CATEGORIES):
        pass
    assert len(read_coco(UPath(tmp_path / "a.json"), "")) == 0


def test_a_file_that_was_not_finished_is_no_json(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), CocoWriter(UPath(tmp_path / "a.json"), CATEGORIES) as writer:
        writer.add(RECORDS[0])
        raise RuntimeError("the disk is full")
    with pytest.raises(ValueError, match="not a JSON file"):
        load_json(UPath(tmp_path / "a.json"))


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    records = records_from_coco(
        coco({"segmentation": SQUARE, "point": [2, 2]}, {"point": [0, 0]}), "/p"
    )
    file = str(tmp_path / "new" / "a.json")
    write_coco(records, file, images="/p", info={"description": "ours"})
    assert list(read_coco(file, "/p")) == list(records)


def test_a_written_mask_has_box_and_area_and_a_weak_annotation_has_neither(tmp_path: Path) -> None:
    records = records_from_coco(coco({"segmentation": SQUARE}, {"point": [0, 0.5]}), "/p")
    file = tmp_path / "a.json"
    write_coco(records, str(file), images="/p")
    data = json.loads(file.read_text())
    strong, weak = data["annotations"]
    assert strong["bbox"] == [1, 1, 2, 2]
    assert strong["area"] == 4
    assert strong["segmentation"]["size"] == [4, 6]
    assert weak == {"id": 2, "image_id": 5, "category_id": 9, "iscrowd": 0, "point": [0.0, 0.5]}
    assert data["images"] == [{"id": 5, "file_name": "a.png", "width": 6, "height": 4}]
    assert data["categories"] == [{"id": 2, "name": "cat"}, {"id": 9, "name": "dog"}]


def test_extra_and_negative_points_are_read_and_written(tmp_path: Path) -> None:
    clicks = {"extra_points": [[4, 0.5], [5.5, 3]], "negative_points": [[0, 0]]}
    data = coco({"point": [1, 1]} | clicks, {"segmentation": SQUARE}, {"point": [2, 3]})
    data["annotations"][1] |= {"extra_points": [], "negative_points": [[5, 1]]}
    (record,) = records = records_from_coco(data, "")
    assert [obj.clicks for obj in record.objects] == [
        (Click(4, 0.5, True), Click(5.5, 3, True), Click(0, 0, False)),
        (Click(5, 1, False),),
        (),
    ]
    file = tmp_path / "a.json"
    write_coco(records, str(file))
    first, second, third = json.loads(file.read_text())["annotations"]
    assert {key: first[key] for key in clicks} == clicks
    assert second["negative_points"] == [[5, 1]] and "extra_points" not in second
    assert not clicks.keys() & third.keys()
    assert list(read_coco(str(file), "")) == list(records)


def test_the_old_name_of_extra_points_is_read_and_the_new_one_written(tmp_path: Path) -> None:
    records = records_from_coco(coco({"point": [1, 1], "more_points": [[4, 0.5]]}), "")
    assert records[0].objects[0].clicks == (Click(4, 0.5, True),)
    write_coco(records, str(tmp_path / "a.json"))
    (entry,) = load_json(str(tmp_path / "a.json"))["annotations"]
    assert entry["extra_points"] == [[4, 0.5]] and "more_points" not in entry


def test_tags_and_the_annotated_part_are_written_and_read_again(tmp_path: Path) -> None:
    annotated = from_polygons(SQUARE, 2, 2)
    known = replace(RECORDS[0], tags=(1, 0), annotated=annotated)
    records = Records.from_rows([known, replace(RECORDS[1], tags=()), RECORDS[2]], CATEGORIES)
    write_coco(records, UPath(tmp_path / "once.json"))
    with CocoWriter(UPath(tmp_path / "many.json"), CATEGORIES) as writer:
        for row in records:
            writer.add(row)
    for name in ("once.json", "many.json"):
        data = load_json(UPath(tmp_path / name))
        first, second, third = data["images"]
        assert first["tags"] == [7, 3] and second["tags"] == []
        assert first["annotated"] == {"size": [2, 2], "counts": annotated.decode()}
        assert "annotated" not in second and not {"tags", "annotated"} & third.keys()
        assert list(read_coco(UPath(tmp_path / name), "")) == [
            replace(known, tags=(0, 1)),
            *list(records)[1:],
        ]
