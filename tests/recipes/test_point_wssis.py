"""What a small run of everything leaves, and what becomes of one that is stopped or changed."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ray_wssis.artifacts import StaleArtifact, read_artifact
from ray_wssis.config import load_config
from ray_wssis.data.coco import load_json
from ray_wssis.data.records import Records
from ray_wssis.recipes.point_wssis import PointWSSIS, PointWSSISConfig
from ray_wssis.stages.table import read_rows
from tests.small_run import SMALL, Submitted

pytestmark = pytest.mark.slow


def config(*changes: str) -> PointWSSISConfig:
    return load_config(PointWSSISConfig, "shapes", [*SMALL, *changes])


@pytest.fixture(scope="module")
def run(small_run: Submitted, ray_session: None) -> PointWSSIS:
    return PointWSSIS(config(), small_run.folder)


def test_every_stage_leaves_what_the_next_one_needs(run: PointWSSIS) -> None:
    for model in ("model", "best", "early_1", "early_2"):
        assert (run.out / "teacher" / model / "model.safetensors").exists()
    page = (run.out / "report" / "index.html").read_text()
    assert "<html" in page
    figures = json.loads((run.out / "metrics.json").read_text())
    assert {"teacher/val/AP", "student/val/AP", "pseudo/refined/mIoU"} <= set(figures)


def test_no_point_is_lost_between_the_split_and_the_labels(run: PointWSSIS) -> None:
    weak = Records.read(run.data / "weak.parquet")
    summary = json.loads((run.labels / "summary.json").read_text())
    assert summary["num_points"] == sum(len(record.labels) for record in weak)
    assert summary["num_images"] == len(weak)


def test_the_training_set_holds_strong_and_weak_pictures(run: PointWSSIS) -> None:
    merged = load_json(run.merged / "shapes_25p_sw_refined.json")
    strong = Records.read(run.data / "strong.parquet")
    assert len(merged["images"]) > len(strong)
    assert all("segmentation" in annotation for annotation in merged["annotations"])


def test_a_finished_run_is_not_made_again(run: PointWSSIS) -> None:
    made = read_artifact(run.out / "report")
    assert PointWSSIS(config(), run.out).report.manifest == made.manifest


def test_another_configuration_is_refused_and_named(run: PointWSSIS) -> None:
    resolved = (run.out / "config.resolved.yaml").read_text()
    changed = PointWSSIS(config("student.training.steps=3"), run.out)
    with pytest.raises(StaleArtifact, match=r"training\.steps = 2, now 3.*--redo"):
        _ = changed.student
    assert (run.out / "config.resolved.yaml").read_text() == resolved


def test_ready_models_label_as_they_did_where_they_were_trained(
    run: PointWSSIS, tmp_path: Path
) -> None:
    ready = [f"{name}.ready={run.out / name / 'model'}" for name in ("teacher", "refiner")]
    other = PointWSSIS(config(*ready), part_of(run, tmp_path, ["split"]))
    assert read_rows(other.labels / "weak") == read_rows(run.labels / "weak")
    assert not (tmp_path / "rough").exists()


def test_a_ready_model_of_other_classes_is_refused(run: PointWSSIS, tmp_path: Path) -> None:
    model = tmp_path / "model"
    shutil.copytree(str(run.out / "student/model"), model)
    description = json.loads((model / "config.json").read_text())
    description["categories"].pop()
    (model / "config.json").write_text(json.dumps(description))
    other = PointWSSIS(config(f"student.ready={model}"), run.out)
    with pytest.raises(ValueError, match=r"student\.ready: .* trained for 5 classes .* has 6"):
        _ = other.student


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


def part_of(run: PointWSSIS, folder: Path, stages: list[str]) -> Path:
    """A run folder in which only these stages are finished."""
    for stage in stages:
        shutil.copytree(str(run.out / stage), folder / stage)
    shutil.copy(str(run.out / "config.resolved.yaml"), folder)
    return folder


def press_ctrl_c(process: subprocess.Popen[str]) -> str:
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    return process.communicate(timeout=120)[1]


def wait_for(found: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    until = time.monotonic() + 180
    while not found():
        assert process.poll() is None and time.monotonic() < until
        time.sleep(0.2)


def test_ctrl_c_in_training_and_the_same_command_again(run: PointWSSIS, tmp_path: Path) -> None:
    folder = part_of(run, tmp_path, ["split"])
    more = ["teacher.training.steps=40", "teacher.training.save_every=2"]
    log = folder / "teacher/metrics.jsonl"
    process = go(folder, *more)
    wait_for(lambda: log.exists() and log.stat().st_size > 0, process)
    said = press_ctrl_c(process)
    assert process.returncode == 130 and said.endswith("The same command goes on from here.\n")
    assert not (folder / "teacher/model").exists()

    again = PointWSSIS(config(*more), folder)
    assert again.teacher.manifest["outputs"]
    steps = [json.loads(line)["step"] for line in log.read_text().splitlines() if "loss" in line]
    assert steps == sorted(set(steps)) and steps[-1] == 40


def test_ctrl_c_while_labelling(run: PointWSSIS, tmp_path: Path) -> None:
    folder = part_of(run, tmp_path, ["split", "teacher", "rough", "refiner"])
    process = go(folder)
    wait_for(lambda: (folder / "labels/weak").exists(), process)  # Ray Data has begun
    said = press_ctrl_c(process)
    assert process.returncode == 130 and said.endswith("The same command goes on from here.\n")
    assert not (folder / "labels/manifest.json").exists()

    again = PointWSSIS(config(), folder)
    assert read_rows(again.labels / "weak") == read_rows(run.labels / "weak")
