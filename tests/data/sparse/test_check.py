"""Tests of ray_wssis.data.sparse.check, through the check of a data set."""

import json
from pathlib import Path

import numpy as np
import pytest

from ray_wssis.data.class_maps.check import check_folder, check_tree
from ray_wssis.data.class_maps.png import UNKNOWN
from ray_wssis.data.sparse.config import SparseLabelsConfig
from tests.support.class_maps import MAP, write_image, write_map, write_voc

NAMES = ["background", "cat", "dog"]


def test_a_folder_with_points(tmp_path: Path) -> None:
    for name in "ab":
        write_image(tmp_path / f"images/{name}.png")
        write_map(tmp_path / f"class_maps/{name}.png", MAP)
    points, tags = tmp_path / "points.csv", tmp_path / "tags.csv"
    points.write_text(
        "image,x,y,class\na.png,2.5,0.5,cat\na.png,3.5,1.5,background\na.png,6.5,1,cat\n"
    )
    tags.write_text("a,background;dog\nb,background;cat;dog\n")
    problems = check_folder(
        tmp_path / "images",
        tmp_path / "class_maps",
        NAMES,
        str(tags),
        SparseLabelsConfig(labels=(str(points),)),
    )
    found = {(problem.severity, problem.kind, problem.found) for problem in problems}
    assert found == {
        (
            "warning",
            "point outside the image",
            "line 4 (a.png): the point (6.5, 1) is outside the 6 x 4 image",
        ),
        (
            "info",
            "image without labels",
            f"1 of 2 images have no annotated pixel, first {tmp_path}/images/b.png",
        ),
        ("warning", "class without labels", "1 of 3 classes have no annotated pixel: dog"),
        (
            "warning",
            "labels against map",
            "1 of 2 annotated pixels, in 1 images, have another class in the full class map, 1 in "
            "this one for instance",
        ),
        (
            "warning",
            "tags against map",
            "1 of 2 images lack the tag of a class that their class map shows, cat for instance",
        ),
        (
            "warning",
            "tags against map",
            "1 of 1 images lack the tag of a class that their class map shows, cat for instance",
        ),
    }


def test_labels_that_agree_with_everything_are_no_problem(tmp_path: Path) -> None:
    for name in "ab":
        write_image(tmp_path / f"images/{name}.png")
        write_map(tmp_path / f"class_maps/{name}.png", MAP)
        sparse = np.where(np.arange(24).reshape(4, 6) < 6, MAP, UNKNOWN).astype(np.uint8)
        write_map(tmp_path / f"sparse/{name}.png", sparse)
    labels = SparseLabelsConfig(labels=(f"{tmp_path}/sparse",))
    assert not check_folder(tmp_path / "images", tmp_path / "class_maps", NAMES, sparse=labels)


def test_a_tree_with_points_of_somebody(tmp_path: Path) -> None:
    root = write_voc(tmp_path / "voc", "12", "", "3")
    (tmp_path / "points.json").write_text(
        json.dumps({"2007_000001": [{"x": 0, "y": 0, "cls": 0}], "2007_000009": [{"x": 0}]})
    )
    labels = SparseLabelsConfig(labels=(f"{tmp_path}/points.json",))
    kinds = [problem.kind for problem in check_tree(root, sparse=labels)]
    assert kinds == [
        "class without pixels",
        "malformed entry",
        "class without labels",
        "image without labels",
    ]
    with pytest.raises(ValueError, match="there are no sparse labels, neither a folder nor a file"):
        check_tree(root, sparse=SparseLabelsConfig(labels=(f"{tmp_path}/none",)))
