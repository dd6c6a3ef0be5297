"""Tests of ray_wssis.data.class_maps.check and trees."""

from pathlib import Path

import numpy as np
import pytest

from ray_wssis.data.builtin.semantic_shapes import write_semantic_shapes
from ray_wssis.data.class_maps.check import check_folder, check_tree
from tests.support.class_maps import MAP, write_cityscapes, write_image, write_map, write_voc

NAMES = ["background", "cat", "dog"]


def test_the_built_in_images_have_no_problem(tmp_path: Path) -> None:
    assert not check_tree(write_semantic_shapes(tmp_path, 12, seed=0))


def test_trees_are_recognised(tmp_path: Path) -> None:
    write_voc(tmp_path / "voc", "12", "34", "25")
    write_cityscapes(tmp_path / "city", ["aachen_000000_000001"], ["ulm_000000_000001"])
    found = {name: check_tree(tmp_path / name) for name in ("voc", "city")}
    assert [(problem.where, problem.found) for problem in found["voc"]] == [
        ("list train", "1 of its 2 images are in val too, 2007_000002 first"),
        ("list trainaug", "1 of its 4 images are in val too, 2007_000002 first"),
        ("classes", "17 of 21 classes are in no class map: bird, boat, bottle, bus, car, ..."),
    ]
    (problem,) = found["city"]
    assert problem.found.startswith("17 of 19 classes are in no class map: sidewalk, building")


def test_a_folder_of_no_known_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no data set with class maps; that is a tree of PASCAL"):
        check_tree(tmp_path)


def test_maps_images_and_tags_are_checked(tmp_path: Path) -> None:
    for name in ("a", "b", "c", "d"):
        write_image(tmp_path / f"images/{name}.png")
    write_map(tmp_path / "class_maps/a.png", np.minimum(MAP, 1))
    data = (tmp_path / "images/b.png").read_bytes()
    (tmp_path / "images/b.png").write_bytes(data[:-40])
    tags = tmp_path / "tags.csv"
    tags.write_text("a,dog\nb,cat;Dog\n")
    problems = check_folder(tmp_path / "images", tmp_path / "class_maps", NAMES, str(tags))
    assert [(problem.severity, problem.kind) for problem in problems] == [
        ("error", "image file"),
        ("error", "unknown tag"),
        ("warning", "class without pixels"),
        ("warning", "tags against map"),
        ("warning", "tags against map"),
        ("warning", "image without tags"),
        ("info", "image without map"),
    ]
    found = {problem.kind: problem.found for problem in problems}
    assert found["class without pixels"] == "1 of 3 classes are in no class map: dog"
    assert found["unknown tag"] == "1 tags are no class: 'Dog' (1 times, did you mean dog?)"
    assert found["image without tags"] == ("2 of 3 images without a class map have no tags either")
