"""Tests of ray_wssis.data.sparse.coco: an instance project, in images of 6 x 4 pixels."""

import json
from pathlib import Path
from typing import Any

import pytest

from ray_wssis.data.class_maps.check import check_painted
from ray_wssis.data.class_maps.painted import read_painted
from ray_wssis.data.class_maps.png import UNKNOWN, decode
from ray_wssis.data.problem import Problems
from ray_wssis.data.records import Category, Record, Records
from ray_wssis.data.sparse.coco import is_coco
from ray_wssis.data.sparse.config import SparseLabelsConfig
from ray_wssis.data.sparse.given import with_given_labels
from tests.support.coco_files import coco

LETTERS = {0: "b", 1: "d", 2: "c", UNKNOWN: "."}  # of labels: background, dog, cat
SQUARE = [[0, 0, 2, 0, 2, 2, 0, 2]]
CAT = {"category_id": 2}


def write(folder: Path, *annotations: dict[str, Any], name: str = "points", **image: Any) -> str:
    content = coco(*annotations)
    content["images"][0] |= image
    file = folder / f"{name}.json"
    file.write_text(json.dumps(content))
    return str(file)


def read(file: str, names: str = "background dog cat", **options: Any) -> tuple[list[str], Any]:
    """Rows of letters of the image, and kinds and severities of the findings."""
    classes = [Category(id=label, name=name) for label, name in enumerate(names.split())]
    record = Record(image_id=1, file="images/a.png", width=6, height=4)
    problems, config = Problems(), SparseLabelsConfig(labels=(file,), **options)
    (given,) = with_given_labels(Records.from_rows([record], classes), config, problems)
    found = [(problem.severity, problem.kind) for problem in problems.found]
    if given.class_map is None:
        return [], found
    return ["".join(LETTERS[int(x)] for x in row) for row in decode(given.class_map)], found


def test_points_are_pixels_and_nobody_knows_about_the_rest(tmp_path: Path) -> None:
    dog = {"point": [1.5, 0.5], "extra_points": [[5.2, 3.9]], "negative_points": [[3.5, 3.5]]}
    file = write(tmp_path, dog, CAT | {"bbox": [3, 1, 2, 2]})
    assert read(file) == ([".d....", "......", "....c.", ".....d"], [])
    assert read(file, radius=1)[0] == ["ddd...", ".d..c.", "...ccc", "....cd"]


def test_a_masked_image_is_known_as_a_whole(tmp_path: Path) -> None:
    square = {"segmentation": SQUARE, "point": [1, 1]}
    crowd = {"iscrowd": 1, "segmentation": {"size": [4, 6], "counts": [0, 4, 20]}}
    rows = [".dbbbb", ".dbbbb", ".bbbbb", ".bbbbb"]
    file = write(tmp_path, crowd, CAT | {"segmentation": [[1, 0, 2, 0, 2, 2, 1, 2]]})
    assert read(file)[0] == [row.replace("d", "c") for row in rows]
    file = write(tmp_path, square, annotated=[[0, 0, 4, 0, 4, 4, 0, 4]])
    assert read(file)[0] == ["ddbb..", "ddbb..", "bbbb..", "bbbb.."]
    assert read(file, names="dog cat")[0] == ["bb....", "bb....", "......", "......"]


def test_beside_a_mask_without_its_neighbours_nothing_is_background(tmp_path: Path) -> None:
    file = write(tmp_path, {"segmentation": SQUARE}, CAT | {"point": [5.5, 3.5]})
    assert read(file)[0] == ["dd....", "dd....", "......", ".....c"]
    file = write(tmp_path, {"segmentation": SQUARE}, CAT | {"point": [6.5, 3.5]})
    assert read(file) == (
        ["dd....", "dd....", "......", "......"],
        [("warning", "unusable annotation")],
    )


def test_what_cannot_be_used_is_a_finding(tmp_path: Path) -> None:
    file = write(tmp_path, {"point": [1.5, 0.5]}, CAT | {"point": [3, 3]})
    rows, found = read(file, names="background wolf cat")
    assert rows == ["......", "......", "......", "...c.."]
    assert found == [("error", "unknown class 'dog'")]
    assert read(write(tmp_path, CAT | {"point": [3, 3]}, width=7)) == (
        [],
        [("warning", "another size")],
    )
    assert read(write(tmp_path, CAT | {"point": [3, 3]}, file_name="b.png")) == (
        [],
        [("error", "no such image")],
    )


def test_only_a_json_object_of_no_other_format_is_a_coco_file(tmp_path: Path) -> None:
    def told(content: str, name: str = "a.json", **options: Any) -> bool:
        (tmp_path / name).write_text(content)
        file = str(tmp_path / name)
        return is_coco(file, SparseLabelsConfig(labels=(file,), **options))

    assert told('{"images": []}')
    assert not told("[]")
    assert not told('{"2007_000032": [{"x": 1, "y": 0, "cls": 0}]}')
    assert not told('{"images": []}', "a.csv")
    assert told('{"images": []}', "a.txt", format="coco")
    assert told('{"boxes": []}')
    with pytest.raises(ValueError, match="a COCO file has lists"):
        read(str(tmp_path / "a.json"))


def test_images_of_several_files_are_those_of_one_project(tmp_path: Path) -> None:
    masks = write(tmp_path, {"segmentation": SQUARE}, name="masks")
    points = write(tmp_path, {"point": [1, 1]}, file_name="b.png")
    one, other = records = read_painted(masks, "", [points, points])
    assert (one.file, other.file) == ("a.png", "b.png") and one.image_id != other.image_id
    assert one.class_map is not None and other.class_map is None
    assert other.tags == (0, 2) and [x.name for x in records.categories][2] == "dog"
    content = json.loads(Path(points).read_text())
    content["categories"][0]["name"] = "wolf"
    Path(points).write_text(json.dumps(content))
    with pytest.raises(ValueError, match="both need the same ids and names"):
        read_painted(masks, "", [points])


def test_the_check_names_classes_that_no_point_shows(tmp_path: Path) -> None:
    masks = write(tmp_path, {"segmentation": SQUARE}, CAT | {"segmentation": SQUARE}, name="masks")
    points = write(tmp_path, {"point": [1, 1]}, file_name="b.png")
    problems = check_painted(masks, None, SparseLabelsConfig(labels=(points,)))
    bare = next(each for each in problems if each.kind == "class without labels")
    assert bare.found == "2 of 3 classes have no annotated pixel: background, cat"
    problems = check_painted(masks, None, SparseLabelsConfig(labels=(points, masks)))
    assert "class without labels" not in {each.kind for each in problems}
