"""Tests of ray_wssis.data.class_maps.cityscapes."""

from pathlib import Path

from ray_wssis.data.class_maps.cityscapes import is_validation, read_cityscapes
from ray_wssis.data.class_maps.png import decode
from ray_wssis.data.problem import Problems
from tests.support.class_maps import write_cityscapes


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
