"""Tests of ray_wssis.data.class_maps.folder, classes, values and pairs."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from ray_wssis.data.class_maps.classes import read_classes
from ray_wssis.data.class_maps.folder import read_folder
from ray_wssis.data.class_maps.pairs import settle
from ray_wssis.data.class_maps.png import decode
from ray_wssis.data.class_maps.values import read_values
from ray_wssis.data.problem import Problem, Problems
from ray_wssis.data.records import Records
from tests.support.class_maps import MAP, PALETTE, write_image, write_map

NAMES = ["background", "cat", "dog"]


def read(folder: Path, classes: str | list[str] = NAMES) -> tuple[Records, list[Problem]]:
    problems = Problems()
    records = read_folder(folder / "images", folder / "class_maps", classes, problems)
    return records, problems.found


def write_pair(folder: Path, name: str, **changed: NDArray[np.uint8]) -> None:
    write_image(folder / "images" / f"{name}.jpg")
    write_map(folder / "class_maps" / f"{name}.png", changed.get("class_map", MAP))


def test_maps_belong_to_the_images_of_the_same_name(tmp_path: Path) -> None:
    write_pair(tmp_path, "b")
    write_pair(tmp_path, "deep/a")
    records, problems = read(tmp_path)
    assert not problems
    assert [record.file for record in records] == [
        f"{tmp_path}/images/b.jpg",
        f"{tmp_path}/images/deep/a.jpg",
    ]
    for record in records:
        assert (record.height, record.width, record.tags) == (4, 6, (0, 1, 2))
        assert record.class_map is not None and (decode(record.class_map) == MAP).all()


def test_images_without_a_map_are_weak(tmp_path: Path) -> None:
    write_pair(tmp_path, "a")
    write_image(tmp_path / "images/b.jpg")
    records, (problem,) = read(tmp_path)
    assert (records[1].class_map, records[1].tags) == (None, None)
    assert (problem.severity, problem.where) == ("info", "b.jpg")
    assert problem.found == "1 of 2 images have no class map"


def test_values_of_a_file_of_classes_become_labels(tmp_path: Path) -> None:
    write_pair(tmp_path, "a", class_map=np.array([[9, 4, 0], [9, 255, 4]] * 2).repeat(2, 1))
    file = tmp_path / "classes.txt"
    file.write_text("4,cat\n0,unknown\n9,dog\n")
    records, problems = read(tmp_path, str(file))
    assert not problems
    assert [(entry.id, entry.name) for entry in records.categories] == [(4, "cat"), (9, "dog")]
    assert records[0].class_map is not None
    assert decode(records[0].class_map)[:2, ::2].tolist() == [[1, 0, 255], [1, 255, 0]]
    assert records[0].tags == (0, 1)


@pytest.mark.parametrize(
    "lines, complaint",
    [
        ("cat\ndog\ncat\n", "the class cat is there 2 times"),
        ("1,cat\n1,dog\n", "the value 1 is there 2 times"),
        ("300,cat\n", "1 classes with values up to 300; values are 0 to 254, and 255 is unknown"),
        ("\n", "there is no class; a line with a name is needed for each"),
    ],
)
def test_classes_that_make_no_sense_are_refused(tmp_path: Path, lines: str, complaint: str) -> None:
    file = tmp_path / "classes.txt"
    file.write_text(lines)
    with pytest.raises(ValueError, match=f"classes.txt: {complaint}"):
        read_classes(str(file))


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
@pytest.mark.parametrize("mode", ["L", "P"])
def test_few_bits_hold_the_same_values(tmp_path: Path, bits: int, mode: str) -> None:
    values = np.arange(12, dtype=np.uint8).reshape(3, 4) % min(2**bits, 12)
    write_map(tmp_path / "a.png", values, palette=PALETTE if mode == "P" else None, bits=bits)
    found = read_values(str(tmp_path / "a.png"))
    assert (found.pixels == values).all()
    assert (found.palette is None) == (mode == "L")


def test_what_is_no_class_map_is_named_with_a_count(tmp_path: Path) -> None:
    for name in ("a", "b", "c", "d"):
        write_pair(tmp_path, name)
    for name in ("b", "c"):
        Image.fromarray(np.zeros((4, 6, 3), np.uint8)).save(tmp_path / f"class_maps/{name}.png")
    records, (problem,) = read(tmp_path)
    assert len(records) == 2
    assert problem.where == f"{tmp_path}/class_maps/b.png"
    assert problem.found == "2 of 4 files are no class maps: images with the channels R+G+B"
    assert problem.wanted == "one channel whose values are the classes: a gray or a palette PNG"


def test_maps_of_another_size_are_refused(tmp_path: Path) -> None:
    write_pair(tmp_path, "a")
    write_pair(tmp_path, "b", class_map=MAP.T)
    _, (problem,) = read(tmp_path)
    assert problem.found == (
        "1 of 2 files have another size than their image: 4 x 6 pixels (width x height) here, the "
        "image 6 x 4"
    )
    assert problem.wanted == "maps of the images as a viewer shows them (their EXIF turns them)"


def test_values_that_are_no_class_are_counted(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        write_pair(tmp_path, name, class_map=MAP + np.uint8(name != "b"))
    _, (problem,) = read(tmp_path)
    assert problem.where == f"{tmp_path}/class_maps/a.png"
    assert problem.found == "2 of 3 class maps hold values that are no class: 3 (16 pixels)"
    assert problem.wanted.startswith("values of the 3 classes, 0 (background) to 2 (dog), or 255")


def test_lossy_and_deep_maps_are_refused(tmp_path: Path) -> None:
    write_pair(tmp_path, "a")
    write_image(tmp_path / "images/b.jpg")
    write_image(tmp_path / "images/c.jpg")
    Image.fromarray(MAP).save(tmp_path / "class_maps/b.jpg")
    Image.fromarray(np.full((4, 6), 1000, np.uint16)).save(tmp_path / "class_maps/c.png")
    _, problems = read(tmp_path)
    found = problems[0].found
    assert found == "2 of 3 files are no class maps: JPEG files, whose compression changes values"
    with pytest.raises(ValueError, match="values from 1000 to 1000; values 0 to 255"):
        read_values(str(tmp_path / "class_maps/c.png"))


def test_palettes_that_differ_are_a_warning(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        write_pair(tmp_path, name)
    write_map(tmp_path / "class_maps/b.png", MAP, palette=PALETTE)
    _, (problem,) = read(tmp_path)
    assert problem.severity == "warning"
    assert problem.found == (
        "2 of 3 class maps are gray, others are not: this one has another palette"
    )


def test_maps_without_an_image_are_named(tmp_path: Path) -> None:
    write_pair(tmp_path, "a")
    write_map(tmp_path / "class_maps/b_mask.png", MAP)
    write_image(tmp_path / "images/b_mas.jpg")
    _, problems = read(tmp_path)
    assert (problems[0].severity, problems[0].where) == ("warning", "b_mask.png")
    assert problems[0].found == "1 of 2 class maps have no image"
    assert problems[0].wanted == "an image of that name; the nearest is b_mas.jpg"


def test_names_that_do_not_fit_at_all_are_an_error(tmp_path: Path) -> None:
    write_image(tmp_path / "images/a.jpg")
    write_map(tmp_path / "class_maps/a_mask.png", MAP)
    _, problems = read(tmp_path)
    assert problems[0].severity == "error"
    assert problems[0].found == (
        f"none of the 1 class maps in {tmp_path}/class_maps has the name of one of the 1 images, "
        "for instance a_mask.png and a.jpg"
    )


def test_the_first_error_is_raised(tmp_path: Path) -> None:
    problems = Problems()
    read_folder(tmp_path / "images", tmp_path / "class_maps", NAMES, problems)
    with pytest.raises(
        ValueError, match=r"images: there is no such folder; .* \(and 1 other errors\)"
    ):
        settle(problems)
