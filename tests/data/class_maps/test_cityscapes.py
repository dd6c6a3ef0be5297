"""Tests of ray_wssis.data.class_maps.cityscapes."""

from pathlib import Path

import numpy as np

from ray_wssis.data.class_maps.cityscapes import is_validation, read_cityscapes
from ray_wssis.data.class_maps.png import decode
from ray_wssis.data.problem import Problems
from tests.support.class_maps import write_cityscapes, write_map


def test_label_ids_become_the_19_classes(tmp_path: Path) -> None:
    train = ["bochum_000000_000002", "aachen_000001_000019"]
    root = write_cityscapes(tmp_path, train, ["ulm_000000_000001"])
    problems = Problems()
    records = read_cityscapes(root, problems)
    assert not problems.found
    assert [Path(record.file).name.partition("_")[0] for record in records] == [
        "aachen",
        "bochum",
        "ulm",
    ]
    assert [is_validation(record.file) for record in records] == [False, False, True]
    assert len(records.categories) == 19
    assert [records.categories[label].name for label in (0, 11, 18)] == [
        "road",
        "person",
        "bicycle",
    ]
    for record in records:
        assert record.class_map is not None and record.tags == (0, 11)
        assert decode(record.class_map)[0].tolist() == [0, 0, 11, 11, 255, 255]


def test_a_folder_without_images_is_an_error(tmp_path: Path) -> None:
    root = write_cityscapes(tmp_path, ["aachen_000001_000019"], [])
    problems = Problems()
    read_cityscapes(root, problems)
    (problem,) = problems.found
    assert problem.where == f"{tmp_path}/leftImg8bit/val"
    assert problem.wanted == "a folder for each city with files NAME_leftImg8bit.png"


def test_train_ids_stand_in_where_there_are_no_label_ids(tmp_path: Path) -> None:
    root = write_cityscapes(tmp_path, ["ulm_000000_000001"], ["ulm_000000_000002"])
    with_ids = list(read_cityscapes(root, Problems()))
    for file in root.rglob("*_labelIds.png"):
        values = np.array([[0, 0, 11, 11, 255, 255]] * 4, np.uint8)
        write_map(file.with_name(file.name.replace("labelIds", "labelTrainIds")), values)
    assert list(read_cityscapes(root, Problems())) == with_ids
    for file in root.rglob("*_labelIds.png"):
        file.unlink()
    problems = Problems()
    records = read_cityscapes(root, problems)
    assert list(records) == with_ids and not problems.found
    assert records.categories[0].id == 7
