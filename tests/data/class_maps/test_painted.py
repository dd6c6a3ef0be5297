"""Tests of ray_wssis.data.class_maps.painted."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from ray_wssis.data.class_maps.painted import read_painted
from ray_wssis.data.class_maps.png import decode
from ray_wssis.data.records import Records


def box(x: int, y: int, width: int, height: int) -> list[list[int]]:
    return [[x, y, x + width, y, x + width, y + height, x, y + height]]


def read(folder: Path, annotations: list[dict[str, Any]], **image: Any) -> Records:
    """Read a COCO file of one image of 6 x 4 pixels."""
    entries = [{"id": i, "image_id": 1} | entry for i, entry in enumerate(annotations)]
    content = {
        "images": [{"id": 1, "file_name": "a.png", "width": 6, "height": 4} | image],
        "annotations": entries,
        "categories": [{"id": 3, "name": "cat"}, {"id": 8, "name": "dog"}],
    }
    file = folder / "all.json"
    file.write_text(json.dumps(content))
    return read_painted(str(file), "")


def test_small_objects_lie_over_large_ones(tmp_path: Path) -> None:
    small = {"category_id": 3, "segmentation": box(1, 1, 2, 2)}
    large = {"category_id": 8, "segmentation": box(0, 0, 4, 4)}
    for order in ([small, large], [large, small]):
        (record,) = records = read(tmp_path, order)
        assert [category.name for category in records.categories] == ["background", "cat", "dog"]
        assert record.class_map is not None and not record.objects
        expected = np.zeros((4, 6), np.uint8)
        expected[:, :4] = 2
        expected[1:3, 1:3] = 1
        assert (decode(record.class_map) == expected).all()
        assert record.tags == (0, 1, 2)


def test_crowd_regions_are_unknown_and_their_class_is_tagged(tmp_path: Path) -> None:
    counts = {"size": [4, 6], "counts": [0, 12, 12]}
    crowd = {"category_id": 3, "iscrowd": 1, "segmentation": counts}
    dog = {"category_id": 8, "segmentation": box(0, 0, 1, 4)}
    (record,) = read(tmp_path, [dog, crowd])
    assert record.class_map is not None
    assert decode(record.class_map)[0].tolist() == [2, 255, 255, 0, 0, 0]
    assert record.tags == (0, 1, 2)


def test_what_nobody_looked_at_is_unknown(tmp_path: Path) -> None:
    dog = {"category_id": 8, "segmentation": box(0, 0, 2, 4)}
    (record,) = read(tmp_path, [dog], annotated=box(0, 0, 3, 4))
    assert record.class_map is not None
    assert decode(record.class_map)[0].tolist() == [2, 2, 0, 255, 255, 255]


def test_tags_of_the_file_are_kept(tmp_path: Path) -> None:
    dog = {"category_id": 8, "segmentation": box(0, 0, 2, 4)}
    (record,) = read(tmp_path, [dog], tags=["cat"])
    assert record.tags == (0, 1)


def test_a_tagged_image_without_objects_has_no_map(tmp_path: Path) -> None:
    (record,) = read(tmp_path, [], tags=["cat"])
    assert record.class_map is None
    assert record.tags == (0, 1)
    (empty,) = read(tmp_path, [], tags=[])
    assert empty.class_map is not None
    assert (decode(empty.class_map) == 0).all()


def test_objects_without_masks_are_tags(tmp_path: Path) -> None:
    (record,) = read(tmp_path, [{"category_id": 8, "bbox": [1, 1, 2, 2]}])
    assert record.class_map is None and record.tags == (0, 2)
