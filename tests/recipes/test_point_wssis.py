"""The whole method on a handful of shapes: every stage real, a minute in all."""

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

from ray_wssis.artifacts import StaleArtifact
from ray_wssis.config import load_config
from ray_wssis.data.coco import load_json
from ray_wssis.data.records import Records
from ray_wssis.recipes.point_wssis import PointWSSIS, PointWSSISConfig
from ray_wssis.stages.table import read_rows

pytestmark = pytest.mark.slow

TINY = [
    "data.shapes.num_images=16",
    "data.shapes.num_validation_images=4",
    "data.percent=25",
    "teacher.training.steps=4",
    "teacher.training.batch_size=4",
    "teacher.training.early=[2, 3]",
    "refiner.training.steps=2",
    "refiner.training.batch_size=4",
    "student.training.steps=2",
    "student.training.batch_size=4",
]


def config(*changes: str) -> PointWSSISConfig:
    return load_config(PointWSSISConfig, "shapes", [*TINY, *changes])


@pytest.fixture(scope="module")
def run(ray_session: None, tmp_path_factory: pytest.TempPathFactory) -> PointWSSIS:
    run = PointWSSIS(config(), tmp_path_factory.mktemp("run"))
    assert run.report.manifest["outputs"]
    return run


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
    again = PointWSSIS(config(), run.out)
    assert again.report.manifest == run.report.manifest


def test_another_configuration_is_refused_and_named(run: PointWSSIS) -> None:
    resolved = (run.out / "config.resolved.yaml").read_text()
    changed = PointWSSIS(config("student.training.steps=3"), run.out)
    with pytest.raises(StaleArtifact, match=r"training\.steps = 2, now 3.*--redo"):
        _ = changed.student
    assert (run.out / "config.resolved.yaml").read_text() == resolved


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
