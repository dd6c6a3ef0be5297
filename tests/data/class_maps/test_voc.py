"""Tests of ray_wssis.data.class_maps.voc."""

from pathlib import Path

import pytest

from ray_wssis.data.class_maps.png import decode
from ray_wssis.data.class_maps.voc import NAMES, list_file, listed_names, read_voc
from ray_wssis.data.problem import Problems
from tests.support.class_maps import write_voc


def test_a_tree_is_read_by_its_lists(tmp_path: Path) -> None:
    root = write_voc(tmp_path, "12", "34", "5")
    problems = Problems()
    names = listed_names(list_file(root, "trainaug"))
    records = read_voc(root, names, problems)
    assert not problems.found
    assert [Path(record.file).name for record in records] == [
        f"2007_00000{number}.jpg" for number in "1234"
    ]
    assert [record.tags for record in records] == [(0, 15), (0, 15), (0, 1, 2), (0, 1, 2)]
    assert records[0].class_map is not None
    assert decode(records[0].class_map)[0].tolist() == [0, 0, 15, 15, 255, 255]
    assert [category.name for category in records.categories] == list(NAMES)
    assert NAMES[15] == "person" and len(NAMES) == 21


def test_a_list_may_be_a_file_with_paths_of_both(tmp_path: Path) -> None:
    root = write_voc(tmp_path / "voc", "12", "34", "5")
    file = tmp_path / "mine.txt"
    file.write_text("/JPEGImages/2007_000003.jpg /SegmentationClassAug/2007_000003.png\n")
    assert listed_names(list_file(root, str(file))) == ["2007_000003"]


def test_a_list_that_does_not_exist_is_named(tmp_path: Path) -> None:
    root = write_voc(tmp_path, "1", "3", "5")
    with pytest.raises(
        ValueError, match=r"first92: there is no such list in .*, which has train, "
    ):
        list_file(root, "first92")


def test_images_that_are_not_there_are_counted(tmp_path: Path) -> None:
    root = write_voc(tmp_path, "12", "34", "5")
    problems = Problems()
    read_voc(root, ["2007_000001", "2008_000001", "2008_000002"], problems)
    (problem,) = problems.found
    assert problem.where == f"{tmp_path}/JPEGImages/2008_000001.jpg"
    assert problem.found == "2 of 3 files cannot be read: there is no such file"
