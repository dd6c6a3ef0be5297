"""A run as MLflow keeps it, in a store of files."""

import json
import time
from pathlib import Path

import pytest
from mlflow import MlflowClient
from upath import UPath

from ray_wssis.artifacts import Workspace, open_stage
from ray_wssis.report.mlflow_log import allowed, log_to_mlflow

LINES = [
    {"step": 1, "loss": 2.5, "loss/dice": 0.5, "learning_rate": 0.1},
    {"step": 10, "loss": 1.5, "loss/dice": 0.25, "learning_rate": 0.1},
    {"step": 10, "val/AP": 12.5},
]


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MlflowClient:
    """Of a store that is configured as an operator does it."""
    uri = (tmp_path / "mlruns").as_uri()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")  # MLflow would rather have a server
    return MlflowClient(uri)


def finish(folder: Path, files: dict[str, str]) -> None:
    stage = open_stage(folder, {"files": files}, redo=True)
    assert isinstance(stage, Workspace)
    for name, text in files.items():
        (stage / name).write_text(text)
    stage.finish()


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """The folder of a run whose teacher is trained."""
    folder = tmp_path / "mine"
    log = "".join(json.dumps(line) + "\n" for line in LINES)
    finish(folder / "teacher", {"metrics.jsonl": log})
    (folder / "config.resolved.yaml").write_text("seed: 3\nteacher:\n  training: {steps: 10}\n")
    return folder


def steps_of(client: MlflowClient, run_id: str, name: str) -> dict[int, float]:
    return {each.step: each.value for each in client.get_metric_history(run_id, name)}


def test_a_trained_stage_is_there_with_its_curves(client: MlflowClient, run: Path) -> None:
    log_to_mlflow(UPath(run))
    experiment = client.get_experiment_by_name("ray-wssis")
    assert experiment is not None
    (found,) = client.search_runs([experiment.experiment_id])
    assert found.info.run_name == "mine"
    assert found.info.status == "RUNNING"
    assert found.data.params == {"seed": "3", "teacher.training.steps": "10"}
    assert found.data.tags["folder"] == str(run)
    manifest = json.loads((run / "teacher/manifest.json").read_text())
    assert found.data.tags["teacher.digest"] == manifest["digest"]
    curves = {
        name: steps_of(client, found.info.run_id, f"training/teacher.{name}")
        for name in ("loss", "loss.dice", "val.AP")
    }
    assert curves == {
        "loss": {1: 2.5, 10: 1.5},
        "loss.dice": {1: 0.5, 10: 0.25},
        "val.AP": {10: 12.5},
    }


def test_what_is_there_is_not_sent_again_and_what_is_new_is(
    client: MlflowClient, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "ours")
    log_to_mlflow(UPath(run))
    figures = {"student/val/AP": 31.5, "student/val/AP/<b>": 1.0, "teacher/val/AP_large": None}
    (run / "metrics.json").write_text(json.dumps(figures))
    finish(run / "evaluation", {"metrics.json": json.dumps(figures)})
    finish(run / "report", {"index.html": "<p>fine"})
    log_to_mlflow(UPath(run))
    experiment = client.get_experiment_by_name("ours")
    assert experiment is not None
    (found,) = client.search_runs([experiment.experiment_id])
    assert found.info.status == "FINISHED"
    assert len(client.get_metric_history(found.info.run_id, "training/teacher.loss")) == 2
    measured = {name: it for name, it in found.data.metrics.items() if name.startswith("figures/")}
    assert measured == {"figures/student.val.AP": 31.5, "figures/student.val.AP._b_": 1.0}
    pages = {each.path for each in client.list_artifacts(found.info.run_id, "report")}
    assert "report/index.html" in pages


def test_another_configuration_is_another_run_and_other_workers_are_not(
    client: MlflowClient, run: Path
) -> None:
    for more in ("", "training_workers: {number: 2}\n", "upper_bound: true\n"):
        text = (run / "config.resolved.yaml").read_text()
        (run / "config.resolved.yaml").write_text(text + more)
        log_to_mlflow(UPath(run))
    experiment = client.get_experiment_by_name("ray-wssis")
    assert experiment is not None
    assert len(client.search_runs([experiment.experiment_id])) == 2


def test_a_server_that_is_gone_is_a_warning(
    run: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
    start = time.monotonic()
    log_to_mlflow(UPath(run))
    assert time.monotonic() - start < 120  # its own default waits minutes
    assert "MLflow: cannot log to http://127.0.0.1:1: " in caplog.text


def test_without_a_server_nothing_happens(
    run: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    log_to_mlflow(UPath(run))
    assert not caplog.records


def test_names_have_characters_that_mlflow_takes() -> None:
    assert allowed("pseudo/refined/mIoU of traffic light") == "pseudo/refined/mIoU of traffic light"
    assert allowed('<"x">') == "__x__"
