"""Tests of ray_wssis.cli.data."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ray_wssis.cli.data import app


@pytest.fixture
def shapes(tmp_path: Path) -> Path:
    result = CliRunner().invoke(app, ["shapes", str(tmp_path), "--images", "6", "--size", "64"])
    assert result.exit_code == 0, result.output
    return tmp_path


def test_shapes_split_and_check_fit_together(shapes: Path, tmp_path: Path) -> None:
    annotations, images = str(shapes / "annotations" / "instances.json"), str(shapes / "images")
    out = tmp_path / "split"
    options = ["--percent", "50", "--seed", "1", "--point", "center", "--images", images]
    result = CliRunner().invoke(app, ["split", annotations, str(out), *options])
    assert result.exit_code == 0, result.output
    for part in "sw":
        file = str(out / f"instances_50p_{part}.json")
        result = CliRunner().invoke(app, ["check", file, "--images", images, "--json"])
        assert result.exit_code == 0, result.output
        report = json.loads(result.stdout)
        assert report["ok"] and report["num_errors"] == 0


def test_check_lists_what_is_wrong_and_exits_1(shapes: Path) -> None:
    annotations = shapes / "annotations" / "instances.json"
    data = json.loads(annotations.read_text())
    data["annotations"][0] |= {"category_id": 77}
    annotations.write_text(json.dumps(data))
    for image in sorted((shapes / "images").iterdir())[:2]:
        image.unlink()
    call = ["check", str(annotations), "--images", str(shapes / "images")]
    result = CliRunner().invoke(app, [*call, "--json"])
    assert result.exit_code == 1
    problems = json.loads(result.stdout)["problems"]
    assert [p["kind"] for p in problems if p["severity"] == "error"] == [
        "unknown category",
        "image file",
        "image file",
    ]
    assert set(problems[0]) == {"severity", "kind", "where", "found", "wanted"}
    result = CliRunner().invoke(app, call)
    assert result.exit_code == 1
    assert "3 errors" in result.output


def test_a_long_list_is_cut_for_people(shapes: Path) -> None:
    annotations = shapes / "annotations" / "instances.json"
    data = json.loads(annotations.read_text())
    for i in range(40):
        data["annotations"].append({"id": -i - 1, "image_id": 1, "category_id": 1})
    annotations.write_text(json.dumps(data))
    result = CliRunner().invoke(app, ["check", str(annotations)])
    assert result.exit_code == 1
    assert "30 more" in result.output
    assert "40 errors" in result.output
    assert "--images" in result.output


def test_split_stops_at_bad_input_with_a_sentence(shapes: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["split", str(tmp_path / "none.json"), str(tmp_path)])
    assert result.exit_code == 1
    assert "no such annotation file" in result.output
    assert "Traceback" not in result.output
    annotations = str(shapes / "annotations" / "instances.json")
    result = CliRunner().invoke(
        app, ["split", annotations, str(tmp_path / "out"), "--images", str(tmp_path / "nowhere")]
    )
    assert result.exit_code == 1
    assert not (tmp_path / "out").exists()


def test_imported_points_pass_the_check(shapes: Path) -> None:
    annotations, images = str(shapes / "annotations/instances.json"), str(shapes / "images")
    names = [
        Path(entry["file_name"]).name
        for entry in json.loads(Path(annotations).read_text())["images"]
    ]
    rows = [f"{names[0]},10.5,20,circle", f"{names[0]},30,40,Circel", f"{names[1]},0,0,ring"]
    (shapes / "clicks.csv").write_text("\n".join(["image,x,y,class", *rows]))
    export, points = str(shapes / "clicks.csv"), str(shapes / "points.json")
    call = ["import", export, points, "--classes", annotations, "--images", images]
    result = CliRunner().invoke(app, call)
    assert result.exit_code == 0, result.output
    assert "csv: 2 images, 2 objects with points: 1 circle, 1 ring" in result.output
    assert "1 warnings" in result.output and "count as background" in result.output
    report = json.loads(CliRunner().invoke(app, [*call, "--json"]).stdout)
    assert report["num_images"] == 2
    assert [problem["wanted"] for problem in report["problems"]] == ["did you mean 'circle'?"]
    result = CliRunner().invoke(app, ["check", points, "--images", images])
    assert result.exit_code == 0, result.output
    assert "0 errors, 0 warnings" in result.output


def test_an_import_without_a_point_writes_nothing_and_exits_1(shapes: Path) -> None:
    annotations, out = str(shapes / "annotations/instances.json"), shapes / "points.json"
    (shapes / "clicks.csv").write_text("image,x,y,class\nnone.png,1,1,circle\n")
    call = ["import", str(shapes / "clicks.csv"), str(out), "--classes", annotations]
    result = CliRunner().invoke(app, [*call, "--images", str(shapes / "images")])
    assert result.exit_code == 1
    assert "Nothing was written" in result.output and "1 warnings" in result.output
    assert not out.exists()


def test_an_import_does_not_replace_the_masks(shapes: Path) -> None:
    annotations = shapes / "annotations/instances.json"
    before = annotations.read_bytes()
    (shapes / "clicks.csv").write_text("image,x,y,class\n")
    call = ["import", str(shapes / "clicks.csv"), str(annotations), "--classes", str(annotations)]
    result = CliRunner().invoke(app, [*call, "--images", str(shapes / "images")])
    assert result.exit_code == 1 and "would be overwritten" in result.output
    assert annotations.read_bytes() == before


def test_corrections_are_merged_by_id(shapes: Path) -> None:
    annotations = shapes / "annotations" / "instances.json"
    data = json.loads(annotations.read_text())
    first, second, *_, other = data["annotations"]
    corrected = dict(data, annotations=[first | {"segmentation": [[0, 0, 9, 0, 9, 9, 0, 9]]}])
    gone = dict(data, annotations=[{"id": second["id"], "image_id": second["image_id"]}])
    gone["annotations"][0]["deleted"] = True
    files = {"corrected": corrected, "gone": gone}
    for name, content in files.items():
        (shapes / f"{name}.json").write_text(json.dumps(content))
    call = ["merge", *(str(shapes / f"{x}.json") for x in files), str(shapes / "out.json")]
    result = CliRunner().invoke(app, [call[0], str(annotations), *call[1:]])
    assert result.exit_code == 0, result.output
    rows = [line.split()[1::2] for line in result.output.splitlines() if line.startswith("│")]
    number = len(data["annotations"])
    assert rows == [
        ["corrected", "1"],
        ["added", "0"],
        ["deleted", "1"],
        ["unchanged", f"{number - 2}"],
    ]
    out = json.loads((shapes / "out.json").read_text())["annotations"]
    assert len(out) == number - 1
    assert out[0]["bbox"] == [0, 0, 9, 9] and out[0]["corrected"] and out[-1] == other


def test_a_correction_that_fits_nothing_is_a_sentence(shapes: Path) -> None:
    annotations = shapes / "annotations" / "instances.json"
    data = json.loads(annotations.read_text())
    data["annotations"] = [data["annotations"][0] | {"image_id": 77}]
    (shapes / "fixes.json").write_text(json.dumps(data))
    out = str(shapes / "out.json")
    call = ["merge", str(annotations), str(shapes / "fixes.json"), out]
    result = CliRunner().invoke(app, call)
    assert result.exit_code == 1
    assert "annotation 1000: found in image 77" in " ".join(result.output.split())
    assert "Traceback" not in result.output and not Path(out).exists()


def test_fix_writes_another_file_and_says_what_is_left(shapes: Path, tmp_path: Path) -> None:
    annotations = shapes / "annotations" / "instances.json"
    data = json.loads(annotations.read_text())
    for entry in data["annotations"]:
        entry["id"] = str(entry["id"])
    source, out = tmp_path / "in.json", tmp_path / "out.json"
    source.write_text(json.dumps(data))
    result = CliRunner().invoke(app, ["fix", str(source), str(out)])
    assert result.exit_code == 0, result.output
    assert "numbers as text" in result.output and "Written" in result.output
    result = CliRunner().invoke(app, ["fix", str(source), str(out)])
    assert result.exit_code == 1 and "already exists" in result.output
    data["annotations"][0]["category_id"] = 99
    source.write_text(json.dumps(data))
    result = CliRunner().invoke(app, ["fix", str(source), str(tmp_path / "other.json")])
    assert result.exit_code == 1
    assert "no obvious remedy" in result.output and "category_id 99" in result.output


def test_an_import_says_what_it_joined_and_which_names_it_read_as_others(shapes: Path) -> None:
    annotations, images = str(shapes / "annotations" / "instances.json"), str(shapes / "images")
    name = sorted(path.name for path in (shapes / "images").iterdir())[0]
    category = json.loads(Path(annotations).read_text())["categories"][0]["name"]
    rows = "".join(f"C:\\x\\{name},{x},9.5,{category},1\n" for x in (8, 9))
    (shapes / "clicks.csv").write_text(f"image,x,y,class,object\n{rows}")
    call = ["import", str(shapes / "clicks.csv"), str(shapes / "points.json")]
    call += ["--classes", annotations, "--images", images]
    result = CliRunner().invoke(app, call)
    assert result.exit_code == 0
    assert f"1 of 1 image names are read as files under {images}" in result.output
    assert "Joined: 2 points and masks into 1 objects" in result.output
    report = json.loads(CliRunner().invoke(app, [*call, "--json"]).stdout)
    assert report["image_names"] == {f"C:\\x\\{name}": name}
    assert (report["num_joined_parts"], report["num_joined_objects"]) == (2, 1)


def test_check_prints_names_that_no_terminal_can_show(shapes: Path) -> None:
    annotations = shapes / "annotations" / "instances.json"
    data = json.loads(annotations.read_text())
    for place, name in enumerate(
        ["half \ud83d.png", "line\nbreak.png", "zero\0.png", "[/red].png"]
    ):
        data["images"][place]["file_name"] = name
    annotations.write_text(json.dumps(data))
    call = ["check", str(annotations), "--images", str(shapes / "images")]
    result = CliRunner().invoke(app, call)
    assert result.exit_code == 1 and "4 errors" in result.output
