"""Tests of ray_wssis.data.sparse.maps and of the names of images in it."""

from pathlib import Path

import numpy as np
import pytest

from ray_wssis.data.class_maps.png import UNKNOWN, decode
from ray_wssis.data.problem import Problems
from ray_wssis.data.records import Category, Record, Records
from ray_wssis.data.sparse.maps import read_maps
from tests.support.class_maps import write_image, write_map

CATEGORIES = [Category(id=value, name=name) for value, name in ((7, "road"), (24, "person"))]
DOTS = np.full((4, 6), UNKNOWN, np.uint8)
DOTS[0, 0], DOTS[3, 5] = 7, 24


def images_of(folder: Path, *names: str) -> Records:
    for name in names:
        write_image(folder / name)
    return Records.from_rows(
        [
            Record(image_id=10 + place, file=f"{folder}/{name}", width=6, height=4)
            for place, name in enumerate(names)
        ],
        CATEGORIES,
    )


def read(
    folder: Path, records: Records, not_annotated: int = UNKNOWN
) -> tuple[dict[int, list[list[int]]], Problems]:
    """Place, row, column and label of the annotated pixels, by image."""
    problems = Problems()
    maps = dict(read_maps(str(folder), records, not_annotated, problems))
    annotated = {place: decode(class_map) for place, class_map in sorted(maps.items())}
    return {
        place: [
            [*pixel, int(labels[tuple(pixel)])] for pixel in np.argwhere(labels != UNKNOWN).tolist()
        ]
        for place, labels in annotated.items()
    }, problems


def test_values_of_classes_are_labels_where_somebody_annotated(tmp_path: Path) -> None:
    records = images_of(tmp_path / "images", "a/1.jpg", "a/2.jpg", "b/1.jpg")
    write_map(tmp_path / "dots/a/1.png", DOTS)
    write_map(tmp_path / "dots/b/1.png", np.where(DOTS == 24, UNKNOWN, DOTS).astype(np.uint8))
    found, problems = read(tmp_path / "dots", records)
    assert found == {0: [[0, 0, 0], [3, 5, 1]], 2: [[0, 0, 0]]}
    assert not problems.found


def test_another_value_may_say_that_nobody_annotated(tmp_path: Path) -> None:
    records = images_of(tmp_path / "images", "1.jpg")
    write_map(tmp_path / "dots/1.png", np.where(DOTS == UNKNOWN, 0, DOTS).astype(np.uint8))
    _, problems = read(tmp_path / "dots", records)
    (problem,) = problems.found
    assert (problem.severity, problem.kind) == ("error", "no class")
    assert "1 of 1 class maps hold values that are no class: 0 (22 pixels)" in problem.found
    assert problem.wanted.endswith(
        "or 255 for unknown; sparse_labels.not_annotated names one more value that says nothing"
    )
    assert read(tmp_path / "dots", records, not_annotated=0)[0] == {0: [[0, 0, 0], [3, 5, 1]]}
    with pytest.raises(ValueError, match="not_annotated is 7, the value of the class road"):
        read(tmp_path / "dots", records, not_annotated=7)


def test_published_clicks_on_cityscapes_have_train_ids_and_no_folders(tmp_path: Path) -> None:
    names = [f"ulm/ulm_00000{place}_000019" for place in range(2)]
    records = images_of(tmp_path / "train", *(f"{name}_leftImg8bit.png" for name in names))
    values = np.full((4, 6), 19, np.uint8)
    values[1, 2] = 1
    write_map(tmp_path / "20clicks/ulm_000001_000019_gtFine_labelTrainIds.png", values)
    found, problems = read(tmp_path / "20clicks", records, not_annotated=19)
    assert found == {1: [[1, 2, 1]]} and not problems.found
    write_map(tmp_path / "ids/ulm_000001_000019_gtFine_labelIds.png", DOTS)
    assert read(tmp_path / "ids", records)[0] == {1: [[0, 0, 0], [3, 5, 1]]}


def test_maps_of_other_images_are_counted_and_none_at_all_is_an_error(tmp_path: Path) -> None:
    records = images_of(tmp_path / "images", "1.jpg")
    write_map(tmp_path / "dots/1.png", DOTS)
    write_map(tmp_path / "dots/one.png", DOTS)
    found, problems = read(tmp_path / "dots", records)
    assert list(found) == [0]
    (problem,) = problems.found
    assert (problem.severity, problem.where) == ("info", str(tmp_path / "dots"))
    assert "1 of 2 names are those of no image here: 'one'" in problem.found
    (tmp_path / "dots/1.png").unlink()
    found, problems = read(tmp_path / "dots", records)
    assert not found and [each.severity for each in problems.found] == ["error"]


def test_files_that_are_no_map_of_their_image_are_errors(tmp_path: Path) -> None:
    records = images_of(tmp_path / "images", "1.jpg", "2.jpg", "3.jpg")
    write_map(tmp_path / "dots/1.png", DOTS)
    write_map(tmp_path / "dots/2.png", DOTS.T)
    write_image(tmp_path / "dots/3.png")
    found, problems = read(tmp_path / "dots", records)
    assert list(found) == [0]
    assert {each.kind for each in problems.found} == {"another size", "no class map"}


def test_a_folder_without_an_image_is_an_error(tmp_path: Path) -> None:
    records = images_of(tmp_path / "images", "1.jpg")
    found, problems = read(tmp_path / "nothing", records)
    assert not found and "there is no such folder" in problems.found[0].found
