"""A run that is trained labels points that it has never seen."""

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from ray_wssis.artifacts import Artifact, StaleArtifact, Workspace, open_stage
from ray_wssis.cli.app import app
from ray_wssis.config import load_config
from ray_wssis.data.annotated import is_labelled
from ray_wssis.data.records import Records
from ray_wssis.data.renumber import renumbered_record
from ray_wssis.instance.label_config import MergeConfig
from ray_wssis.instance.merge import MERGED, merge
from ray_wssis.instance.split import STRONG
from ray_wssis.masks import area
from ray_wssis.methods.point_wssis.labeller import PointLabeller
from ray_wssis.recipes.annotate import LABELS, Annotate, AnnotateConfig
from ray_wssis.recipes.point_wssis_config import PointWSSISConfig
from ray_wssis.run import ROWS
from ray_wssis.streaming.table import progress, read_rows
from tests.support.made import make
from tests.support.run_in import run_in
from tests.support.small_run import CLOSING_TABLE, SMALL
from tests.support.tiny_run import write_run

SLOWLY = load_config(
    AnnotateConfig, None, ["labelling_workers.shard_size=1", "labelling_workers.batch_size=1"]
)


@pytest.fixture(scope="module")
def tiny_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("tiny") / "run")


@pytest.fixture(scope="module")
def made(
    tiny_run: Path, tmp_path_factory: pytest.TempPathFactory, ray_session: None
) -> dict[str, Artifact]:
    """A run whose teacher and refiner are ready; it has labelled and merged."""
    ready = [f"{name}.ready={tiny_run / name / 'model'}" for name in ("teacher", "refiner")]
    config = load_config(PointWSSISConfig, "shapes", [*SMALL, "data.shapes.size=96", *ready])
    return make(config, tmp_path_factory.mktemp("run"), until="merged")


@pytest.fixture(scope="module")
def run(made: dict[str, Artifact]) -> Path:
    return Path(str(made["split"].folder.parent))


@pytest.fixture(scope="module")
def images(made: dict[str, Artifact]) -> Path:
    return Path(str(made["split"] / "shapes/images"))


@pytest.fixture(scope="module")
def weak(made: dict[str, Artifact]) -> dict[str, Any]:
    """The weak images of the run as somebody's COCO file, with names relative to `images`."""
    file: dict[str, Any] = json.loads((made["split"] / "shapes_25p_w.json").read_text())
    for image in file["images"]:
        image["file_name"] = Path(image["file_name"]).name
    return file


def write(file: Path, content: dict[str, Any]) -> Path:
    file.write_text(json.dumps(content))
    return file


def read(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / LABELS).read_text())
    return content


@pytest.mark.slow
def test_masks_are_those_that_the_run_drew_for_the_same_points(
    made: dict[str, Artifact], run: Path, weak: dict[str, Any], images: Path, tmp_path: Path
) -> None:
    points = write(tmp_path / "points.json", weak)
    Annotate(run, points, images, tmp_path / "out").label()
    labels = read(tmp_path / "out")
    assert labels["images"] == weak["images"] and labels["categories"] == weak["categories"]

    merged = json.loads((made["merged"] / "shapes_25p_sw_refined.json").read_text())
    theirs = {entry["id"]: entry for entry in merged["annotations"] if "expected_iou" in entry}
    drawn = {entry["id"]: entry for entry in labels["annotations"] if "segmentation" in entry}
    assert drawn.keys() == theirs.keys() and len(drawn) > 10
    for number, entry in drawn.items():
        other = theirs[number]
        del other["pseudo"]["labels"]
        assert entry | {"iscrowd": other["iscrowd"]} == other
        assert entry["area"] == area(entry["segmentation"]["counts"].encode(), 96, 96)
    given = {entry["id"]: entry["point"] for entry in weak["annotations"]}
    assert {entry["id"]: entry["point"] for entry in labels["annotations"]} == given
    assert len(drawn) < len(given)  # a point without a mask is still there

    again = MergeConfig(annotated=(str(tmp_path / "out"),))
    learnt_twice = merge_again(made, tmp_path / "merged", again)
    strong, once = Records.read(made["split"] / STRONG), Records.read(made["merged"] / MERGED)
    pairs = list(zip(list(once)[len(strong) :], list(learnt_twice)[len(once) :], strict=True))
    assert pairs == [(record, other) for record, other in pairs if record.file == other.file]
    offset = pairs[0][1].image_id - pairs[0][0].image_id
    assert offset >= 10
    assert [other for _, other in pairs] == [
        renumbered_record(record, offset) for record, _ in pairs
    ]


def merge_again(made: dict[str, Artifact], folder: Path, config: MergeConfig) -> Records:
    """Merge what a run made with another configuration; return the training set."""
    models = (made[name].part("model") for name in ("teacher", "refiner"))
    lineage = PointLabeller.of(*models).lineage
    stages = (made["split"], made["labels"], made["audit"])
    return Records.read(merge(run_in(folder), *stages, lineage, "shapes_25p", config) / MERGED)


@pytest.mark.slow
def test_labels_of_other_networks_are_not_learnt(made: dict[str, Artifact], tmp_path: Path) -> None:
    stage = open_stage(tmp_path / "out", {"teacher": "sha256:0123", "refiner": "sha256:4567"})
    assert isinstance(stage, Workspace)
    stage.finish()
    with pytest.raises(ValueError, match=r"out was not labelled by the teacher of this run"):
        merge_again(made, tmp_path / "merged", MergeConfig(annotated=(str(tmp_path / "out"),)))


@pytest.mark.slow
def test_an_image_that_nobody_clicked_is_not_empty(
    made: dict[str, Artifact], run: Path, weak: dict[str, Any], images: Path, tmp_path: Path
) -> None:
    first = weak["images"][0]["id"]
    kept = [entry for entry in weak["annotations"] if entry["image_id"] != first]
    points = write(tmp_path / "points.json", weak | {"annotations": kept})
    records = Annotate(run, points, images, tmp_path / "out").points.records
    assert [is_labelled(record) for record in records] == [False] + [True] * (len(records) - 1)


def damaged(weak: dict[str, Any], images: Path, folder: Path) -> Path:
    """Images in a folder of their own, the second cut short, and two bad points."""
    shutil.copytree(images, folder / "images")
    second = folder / "images" / weak["images"][1]["file_name"]
    second.write_bytes(second.read_bytes()[:200])
    file = json.loads(json.dumps(weak))
    file["annotations"][0]["point"] = [-3, 5]
    file["annotations"].append({"id": 90_001, "image_id": 99_999, "category_id": 1})
    return write(folder / "points.json", file)


@pytest.mark.slow
def test_bad_points_and_images_cost_nothing_else_and_a_kill_nothing_at_all(
    run: Path, weak: dict[str, Any], images: Path, tmp_path: Path
) -> None:
    points = damaged(weak, images, tmp_path)
    undisturbed = Annotate(run, points, tmp_path / "images", tmp_path / "undisturbed", SLOWLY)
    labels = undisturbed.label()
    bad, cut = weak["annotations"][0]["id"], weak["images"][1]["id"]
    failed = [json.loads(line) for line in (labels / "failed.jsonl").read_text().splitlines()]
    assert [line.get("annotation_id") for line in failed] == [bad, 90_001, None]
    assert failed[2]["image_id"] == cut
    file = read(tmp_path / "undisturbed")
    assert bad not in {entry["id"] for entry in file["annotations"]}
    assert len(file["images"]) == len(weak["images"])
    of_cut = [entry for entry in file["annotations"] if entry["image_id"] == cut]
    assert of_cut and not any("segmentation" in entry for entry in of_cut)
    assert progress(labels / ROWS) == (12, 1)

    again = tmp_path / "again"
    command = [sys.executable, "-m", "ray_wssis.cli", "annotate", str(run), str(points)]
    command += ["--images", str(tmp_path / "images"), "--out", str(again)]
    command += ["--set", "labelling_workers.shard_size=1"]
    command += ["--set", "labelling_workers.batch_size=1"]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    until = time.monotonic() + 180
    while not any((again / ROWS).glob("*.parquet")):
        assert process.poll() is None and time.monotonic() < until
        time.sleep(0.02)
    process.kill()
    process.wait()
    assert not (again / "manifest.json").exists()
    Annotate(run, points, tmp_path / "images", again, SLOWLY).label()
    assert (again / LABELS).read_bytes() == (tmp_path / "undisturbed" / LABELS).read_bytes()
    assert json.loads((again / "throughput.json").read_text())["num_images"] < 12


@pytest.mark.slow
def test_the_command_ends_with_a_table_skips_what_is_done_and_refuses_other_points(
    run: Path, weak: dict[str, Any], images: Path, tmp_path: Path
) -> None:
    points = write(tmp_path / "points.json", weak)
    line = ["annotate", str(run), str(points), "--images", str(images)]
    line += ["--out", str(tmp_path / "out")]
    done = CliRunner().invoke(app, line)
    assert done.exit_code == 0, done.output
    assert str(tmp_path / "out" / LABELS) in done.stdout
    for word in CLOSING_TABLE:
        assert word in done.stdout
    made = (tmp_path / "out/manifest.json").read_bytes()
    assert CliRunner().invoke(app, line).exit_code == 0
    assert (tmp_path / "out/manifest.json").read_bytes() == made
    lacking = CliRunner().invoke(app, [*line, "--min-coverage", "1"])
    assert lacking.exit_code == 1 and "min_coverage is 1" in lacking.stderr

    x, y = weak["annotations"][0]["point"]
    moved = json.loads(json.dumps(weak))
    moved["annotations"][0]["point"] = [x + 1, y]
    write(points, moved)
    with pytest.raises(StaleArtifact, match=r"points = .*--redo"):
        Annotate(run, points, images, tmp_path / "out").label()
    redone = Annotate(run, points, images, tmp_path / "out", redo=True).label()
    assert json.loads((redone / "throughput.json").read_text())["num_images"] == 1
    first = read_rows(redone / ROWS)[0]
    assert first["x"][0] == x + 1


@pytest.mark.slow
def test_an_image_that_was_repaired_is_tried_again_when_asked(
    run: Path, weak: dict[str, Any], images: Path, tmp_path: Path
) -> None:
    points, out = damaged(weak, images, tmp_path), tmp_path / "out"
    Annotate(run, points, tmp_path / "images", out).label()
    assert progress(Annotate(run, points, tmp_path / "images", out).label() / ROWS) == (12, 1)
    name = weak["images"][1]["file_name"]
    shutil.copy(images / name, tmp_path / "images" / name)
    again = Annotate(run, points, tmp_path / "images", out, retry_failed=True).label()
    assert progress(again / ROWS) == (12, 0)
    assert any("segmentation" in entry for entry in read(out)["annotations"])


def test_other_classes_are_refused_and_leave_no_folder(tiny_run: Path, tmp_path: Path) -> None:
    other = {"images": [], "annotations": [], "categories": [{"id": 1, "name": "nucleus"}]}
    points = write(tmp_path / "points.json", other)
    wanted = r"has 1 classes \(1 nucleus\), the teacher was trained for 6 classes"
    with pytest.raises(ValueError, match=wanted):
        Annotate(tiny_run, points, tmp_path, tmp_path / "out").label()
    assert not (tmp_path / "out").exists()


def test_a_run_without_a_refiner_is_refused(tiny_run: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_run / "teacher", tmp_path / "run/teacher")
    with pytest.raises(ValueError, match=r"refiner/model: .* whose teacher and refiner are trai"):
        Annotate(tmp_path / "run", "points.json", "images", tmp_path / "out")
