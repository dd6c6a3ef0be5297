"""What a small run of everything leaves, and what becomes of one that is stopped or changed."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner
from upath import UPath

from ray_wssis.artifacts import Artifact, StaleArtifact, read_artifact
from ray_wssis.cli.app import app
from ray_wssis.config import load_config
from ray_wssis.data.coco.file import load_json
from ray_wssis.data.records import Records
from ray_wssis.recipes.point_wssis_config import PointWSSISConfig
from ray_wssis.storage import hash_file
from ray_wssis.streaming.table import read_rows
from ray_wssis.training.folder import RUN, SNAPSHOT
from ray_wssis.training.metrics_log import read_metrics
from tests.support.made import make
from tests.support.small_run import CLOSING_TABLE, SMALL, Submitted, part_of

pytestmark = pytest.mark.slow


def config(*changes: str) -> PointWSSISConfig:
    return load_config(PointWSSISConfig, "shapes", [*SMALL, *changes])


@pytest.fixture(scope="module")
def run(small_run: Submitted, ray_session: None) -> dict[str, Artifact]:
    """The artifacts of the small run, by stage."""
    assert small_run.job.returncode == 0, small_run.job.stderr
    return make(config(), small_run.folder)


@pytest.fixture(scope="module")
def folder_of_run(small_run: Submitted) -> Path:
    return small_run.folder


def test_every_stage_leaves_what_the_next_one_needs(
    run: dict[str, Artifact], folder_of_run: Path
) -> None:
    assert list(run) == config().stages()
    for model in ("model", "best", "early_1", "early_2"):
        assert (run["teacher"] / model / "model.safetensors").exists()
    assert "<html" in (run["report"] / "index.html").read_text()
    figures = json.loads((folder_of_run / "metrics.json").read_text())
    assert {"teacher/val/AP", "student/val/AP", "pseudo/refined/mIoU"} <= set(figures)


def test_every_stage_says_what_it_does(run: dict[str, Artifact]) -> None:
    says = {name: made.manifest["says"] for name, made in run.items()}
    assert says["teacher"] == "Train the teacher on the masks" and all(says.values())


def test_no_point_is_lost_between_the_split_and_the_labels(run: dict[str, Artifact]) -> None:
    weak = Records.read(run["split"] / "weak.parquet")
    summary = json.loads((run["labels"] / "summary.json").read_text())
    assert summary["num_points"] == sum(len(record.objects) for record in weak)
    assert summary["num_images"] == len(weak)


def test_the_training_set_holds_strong_and_weak_images(run: dict[str, Artifact]) -> None:
    merged = load_json(run["merged"] / "shapes_25p_sw_refined.json")
    strong = Records.read(run["split"] / "strong.parquet")
    assert len(merged["images"]) > len(strong)
    assert all("segmentation" in annotation for annotation in merged["annotations"])


def test_a_finished_run_is_not_made_again(run: dict[str, Artifact], folder_of_run: Path) -> None:
    made = read_artifact(folder_of_run / "report")
    assert make(config(), folder_of_run)["report"].manifest == made.manifest


def test_another_configuration_is_refused_and_named(
    run: dict[str, Artifact], folder_of_run: Path
) -> None:
    resolved = (folder_of_run / "config.resolved.yaml").read_text()
    with pytest.raises(StaleArtifact, match=r"training\.steps = 8, now 3.*--redo"):
        make(config("student.training.steps=3"), folder_of_run)
    assert (folder_of_run / "config.resolved.yaml").read_text() == resolved


def test_how_many_masks_are_listed_changes_no_training_set(
    run: dict[str, Artifact], folder_of_run: Path, tmp_path: Path
) -> None:
    stages = ["split", "teacher", "rough_masks", "refiner", "labels", "audit", "merged"]
    folder = part_of(folder_of_run, tmp_path, stages)
    changed = config("audit.review=3")
    with pytest.raises(StaleArtifact, match=r"audit\.review = 50, now 3"):
        make(changed, folder, until="audit")
    assert make(changed, folder, until="audit", redo=True)["audit"].digest != run["audit"].digest
    assert make(changed, folder, until="merged")["merged"].manifest == run["merged"].manifest


def test_ready_models_label_as_they_did_where_they_were_trained(
    run: dict[str, Artifact], folder_of_run: Path, tmp_path: Path
) -> None:
    ready = [f"{name}.ready={run[name] / 'model'}" for name in ("teacher", "refiner")]
    other = make(config(*ready), part_of(folder_of_run, tmp_path, ["split"]), until="labels")
    assert same_rows(other["labels"], run["labels"])
    assert not (tmp_path / "rough_masks").exists()


def test_a_ready_model_of_other_classes_is_refused(
    run: dict[str, Artifact], folder_of_run: Path, tmp_path: Path
) -> None:
    model = tmp_path / "model"
    shutil.copytree(str(run["student"] / "model"), model)
    description = json.loads((model / "config.json").read_text())
    description["categories"].pop()
    (model / "config.json").write_text(json.dumps(description))
    with pytest.raises(ValueError, match=r"student\.ready: .* trained for 5 classes .* has 6"):
        make(config(f"student.ready={model}"), folder_of_run)


def go(folder: Path, *changes: str) -> subprocess.Popen[str]:
    """`wssis run` as a person starts it, in a process group of its own."""
    command = [sys.executable, "-m", "ray_wssis.cli", "run", "--out", str(folder)]
    sets = [word for change in changes for word in ("--set", change)]
    return subprocess.Popen(
        [*command, *sets],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=heed_ctrl_c,
    )


def heed_ctrl_c() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # tests in the background ignore it


def press_ctrl_c(process: subprocess.Popen[str]) -> str:
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    return process.communicate(timeout=300)[1]


def wait_for(found: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    until = time.monotonic() + 400
    while not found():
        assert process.poll() is None and time.monotonic() < until
        time.sleep(0.02)


def test_ctrl_c_in_training_and_the_same_command_again(
    run: dict[str, Artifact], folder_of_run: Path, tmp_path: Path
) -> None:
    folder = part_of(folder_of_run, tmp_path, ["split"])
    more = [
        f"teacher.training.{change}" for change in ("steps=20", "save_every=20", "batch_size=2")
    ]
    log = folder / "teacher/metrics.jsonl"
    process = go(folder, *more)
    wait_for(lambda: log.exists() and log.stat().st_size > 0, process)
    said = press_ctrl_c(process)
    assert process.returncode == 130 and said.endswith("The same command continues from here.\n")
    assert "finishing this step and saving a checkpoint" in said
    assert not (folder / "teacher/model").exists()
    done = read_metrics(UPath(folder / "teacher"))

    again = make(config(*more), folder, until="teacher")
    assert again["teacher"].manifest["outputs"]
    lines = read_metrics(UPath(folder / "teacher"))
    assert lines[: len(done)] == done  # with their times: no step was made twice
    steps = [line["step"] for line in lines if "loss" in line]
    assert steps == sorted(set(steps)) and steps[-1] == 20


def test_a_driver_that_is_killed_in_training(
    run: dict[str, Artifact], folder_of_run: Path, tmp_path: Path
) -> None:
    folder = part_of(folder_of_run, tmp_path, ["split"])
    process = go(folder)
    wait_for((folder / "teacher" / RUN / SNAPSHOT).exists, process)
    process.kill()
    process.communicate(timeout=60)
    assert not (folder / "teacher/manifest.json").exists()
    done = [line for line in read_metrics(UPath(folder / "teacher")) if line["step"] <= 2]

    again = make(config(), folder, until="teacher")
    lines = [read_metrics(made["teacher"].folder) for made in (again, run)]
    assert done and lines[0][: len(done)] == done  # with their times: they were not made again
    found, expected = ({x["step"]: x["loss"] for x in each if "loss" in x} for each in lines)
    assert found == pytest.approx(expected, rel=1e-3)


def same_rows(labels: Artifact, others: Artifact) -> bool:
    """Whatever they were made from: the masks of every point, to the byte."""
    columns = ["image_id", "annotation_id", "rough", "refined", "maskness", "flags"]
    return read_rows(labels / "rows", columns) == read_rows(others / "rows", columns)


def same_files(merged: Artifact, others: Artifact) -> bool:
    names = ("train.parquet", "shapes_25p_sw.json", "shapes_25p_sw_refined.json")
    return all((merged / name).read_bytes() == (others / name).read_bytes() for name in names)


SMALL_SHARDS = ["labelling_workers.shard_size=2", "labelling_workers.batch_size=2"]


def test_ctrl_c_while_labelling(
    run: dict[str, Artifact], folder_of_run: Path, tmp_path: Path
) -> None:
    folder = part_of(folder_of_run, tmp_path, ["split", "teacher", "rough_masks", "refiner"])
    process = go(folder, *SMALL_SHARDS)
    wait_for(lambda: any((folder / "labels/rows").glob("*.parquet")), process)
    said = press_ctrl_c(process)
    assert process.returncode == 130 and said.endswith("The same command continues from here.\n")
    assert not (folder / "labels/manifest.json").exists()

    again = make(config(), folder, until="labels")
    assert same_rows(again["labels"], run["labels"])


def test_a_driver_that_is_killed_while_labelling(
    run: dict[str, Artifact], folder_of_run: Path, tmp_path: Path
) -> None:
    folder = part_of(folder_of_run, tmp_path, ["split", "teacher", "rough_masks", "refiner"])
    process = go(folder, "labelling_workers.shard_size=2")
    wait_for(lambda: any((folder / "labels/rows").glob("*.parquet")), process)
    process.kill()
    process.communicate(timeout=60)
    assert not (folder / "labels/manifest.json").exists()

    again = make(config(), folder, until="merged")
    assert same_rows(again["labels"], run["labels"])
    assert same_files(again["merged"], run["merged"])
    assert again["labels"].digest == run["labels"].digest


def moved_point(folder: Path) -> tuple[int, str]:
    """Move the first weak point of a run by a pixel; the id of its image, and a hash."""
    file = folder / "split/weak.parquet"
    records = Records.read(UPath(file))
    first, *others = records
    obj, *rest = first.objects
    assert obj.point is not None
    moved = replace(obj, point=(obj.point[0] + 1, obj.point[1]))
    changed = replace(first, objects=(moved, *rest))
    Records.from_rows([changed, *others], records.categories).write(UPath(file))
    return first.image_id, hash_file(file)


def test_a_moved_point_is_all_that_is_labelled_again(
    run: dict[str, Artifact], folder_of_run: Path, tmp_path: Path
) -> None:
    stages = ["split", "teacher", "rough_masks", "refiner", "labels"]
    folder = part_of(folder_of_run, tmp_path, stages)
    before = {row["image_id"]: row for row in read_rows(run["labels"] / "rows", source="weak")}
    moved, digest = moved_point(folder)
    note = json.loads((folder / "split/manifest.json").read_text())
    note["outputs"]["weak.parquet"] = digest
    (folder / "split/manifest.json").write_text(json.dumps(note))

    with pytest.raises(StaleArtifact, match=r"images\.weak\.parquet"):
        make(config(), folder, until="labels")
    again = make(config(), folder, until="labels", redo=True)
    assert again["teacher"].digest == run["teacher"].digest
    assert json.loads((again["labels"] / "throughput.json").read_text())["num_images"] == 1
    for row in read_rows(again["labels"] / "rows", source="weak"):
        assert (row == before[row["image_id"]]) == (row["image_id"] != moved)


def test_every_pseudo_mask_has_an_expected_iou_and_its_lineage(
    run: dict[str, Artifact], folder_of_run: Path
) -> None:
    weak = {record.image_id for record in Records.read(run["split"] / "weak.parquet")}
    merged = load_json(run["merged"] / "shapes_25p_sw_refined.json")
    pseudo = [entry for entry in merged["annotations"] if entry["image_id"] in weak]
    assert pseudo and all(
        entry["pseudo"].keys() == {"teacher", "refiner", "labels", "point_id", "level"}
        for entry in pseudo
    )
    assert all(0 <= entry["expected_iou"] <= 1 for entry in pseudo if not entry["iscrowd"])


def test_labelling_ends_with_a_table(run: dict[str, Artifact], folder_of_run: Path) -> None:
    done = CliRunner().invoke(app, ["label", "--out", str(folder_of_run)])
    assert done.exit_code == 0
    for word in CLOSING_TABLE:
        assert word in done.stdout


def test_a_coverage_that_is_too_small_is_an_error(
    run: dict[str, Artifact], folder_of_run: Path, tmp_path: Path
) -> None:
    folder = part_of(
        folder_of_run, tmp_path, ["split", "teacher", "rough_masks", "refiner", "labels"]
    )
    summary = json.loads((folder / "labels/summary.json").read_text())
    summary["num_points_without_mask"] = 1
    (folder / "labels/summary.json").write_text(json.dumps(summary))
    wanted = CliRunner().invoke(app, ["label", "--out", str(folder), "--min-coverage", "1"])
    assert wanted.exit_code == 1 and "a share of 0." in wanted.stderr
    summary["num_points_without_mask"] = summary["num_points"]
    (folder / "labels/summary.json").write_text(json.dumps(summary))
    nothing = CliRunner().invoke(app, ["label", "--out", str(folder)])
    assert nothing.exit_code == 1 and "got a mask; look at" in nothing.stderr
