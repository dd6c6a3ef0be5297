"""Tests of ray_wssis.cli.class_maps, through the commands."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ray_wssis.cli.data import app


@pytest.fixture
def shapes(tmp_path: Path) -> Path:
    call = ["semantic-shapes", str(tmp_path / "shapes"), "--images", "12"]
    result = CliRunner().invoke(app, call)
    assert result.exit_code == 0, result.output
    return tmp_path / "shapes"


def test_the_built_in_images_pass_the_check_and_are_split(shapes: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["check", str(shapes)])
    assert result.exit_code == 0 and "0 errors, 0 warnings, 0 infos" in result.output
    out = tmp_path / "out"
    result = CliRunner().invoke(app, ["split", str(shapes), str(out), "--masks", "5"])
    assert result.exit_code == 0, result.output
    assert json.loads((out / "shapes_5_split.json").read_text())["weak"]["num_images"] == 5


def test_sparse_labels_are_drawn(shapes: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    call = ["split", str(shapes), str(out), "--sparse", "points", "--per-class", "3"]
    result = CliRunner().invoke(app, call)
    assert result.exit_code == 0, result.output
    manifest = json.loads((out / "shapes_points_split.json").read_text())
    assert manifest["sparse"]["num_pixels_per_class"]["background"] == 3 * 10
    assert len(list((out / "shapes_points/images").iterdir())) == 10


def test_folders_are_checked_with_tags(shapes: Path, tmp_path: Path) -> None:
    tags = tmp_path / "tags.csv"
    tags.write_text("000001,red disk\n")
    options = [*("--class-maps", f"{shapes}/class_maps"), *("--images", f"{shapes}/images")]
    names = "background,red disc,orange square,cyan disc,blue square"
    for classes in (names, f"{shapes}/classes.txt"):
        call = ["check", *options, "--classes", classes, "--tags", str(tags), "--json"]
        result = CliRunner().invoke(app, call)
        assert result.exit_code == 1
        problem = json.loads(result.stdout)["problems"][0]
        assert (
            problem["found"] == "1 tags are no class: 'red disk' (1 times, did you mean red disc?)"
        )


@pytest.mark.parametrize(
    "call, complaint",
    [
        (["check"], "give a COCO file, the folder of a data set, or --class-maps"),
        (["check", "--class-maps", "maps"], "--class-maps goes with --images and --classes"),
        (["check", "."], "no data set with class maps; that is a tree of PASCAL VOC"),
        (
            ["check", "a.json", "--tags", "b.csv"],
            "--classes and --tags are for class maps",
        ),
        (["split", ".", "out", "--sparse", "clicks", "--masks", "3"], "leave out --masks"),
        (["split", "a.json", "out", "--sparse", "clicks"], "--sparse is for the folder of a"),
        (["split", ".", "out"], "--masks says how many images keep their class maps"),
    ],
)
def test_arguments_that_do_not_fit_are_a_sentence(call: list[str], complaint: str) -> None:
    result = CliRunner().invoke(app, call)
    assert result.exit_code == 1
    assert complaint in result.stderr


def test_sparse_labels_are_checked(shapes: Path, tmp_path: Path) -> None:
    (tmp_path / "points.csv").write_text("image,x,y,class\n000001.png,3.5,70,background\n")
    call = ["check", str(shapes), "--sparse", str(tmp_path / "points.csv"), "--json"]
    result = CliRunner().invoke(app, call)
    kinds = [problem["kind"] for problem in json.loads(result.stdout)["problems"]]
    assert kinds == ["point outside the image", "class without labels", "image without labels"]


def test_points_of_an_instance_project_are_checked(tmp_path: Path) -> None:
    CliRunner().invoke(app, ["shapes", str(tmp_path / "shapes"), "--images", "6"])
    masks = next((tmp_path / "shapes").rglob("*.json"))
    call = ["split", str(masks), str(tmp_path / "out"), "--percent", "50"]
    result = CliRunner().invoke(app, call)
    assert result.exit_code == 0, result.output
    (points,) = (tmp_path / "out").glob("*_w.json")
    result = CliRunner().invoke(app, ["check", str(masks), "--sparse", str(points), "--json"])
    found = {each["kind"]: each["found"] for each in json.loads(result.stdout)["problems"]}
    assert "background" in found["class without labels"]
    assert found["image without labels"].startswith("3 of 6 images have no annotated pixel")
