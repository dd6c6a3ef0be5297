from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from ray_wssis.cli.app import app
from ray_wssis.recipes.plan import plan as planning
from ray_wssis.training.timing import Timing

runner = CliRunner()
FEW = ["--set", "data.shapes={num_images: 20, num_validation_images: 4, size: 64}"]
RUN = ["run", "--until", "split"]


@pytest.fixture(autouse=True)
def times(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Calls of the clock, which always says the same."""
    calls: list[int] = []

    def time_stages(*_: object) -> dict[str, Timing]:
        calls.append(1)
        return {"teacher": Timing(0.1, 0.01), "refiner": Timing(0.05, 0.01)}

    monkeypatch.setattr(planning, "time_stages", time_stages)
    return calls


def test_a_plan_is_shown_and_written(tmp_path: Path) -> None:
    file = tmp_path / "new/mine.yaml"
    result = runner.invoke(app, ["plan", "--out", str(file), "--minutes", "10", *FEW])
    assert result.exit_code == 0, result.output
    assert "images with masks" in result.stdout and "scale ranges" in result.stdout
    assert result.stdout.splitlines()[-1] == str(file)
    check = runner.invoke(app, ["config", "check", str(file)])
    assert check.exit_code == 0, check.output
    again = runner.invoke(app, ["plan", "--out", str(file), *FEW])
    assert again.exit_code == 1
    assert "exists, and somebody may have changed it" in again.stderr


def test_a_run_without_a_configuration_is_planned_once(tmp_path: Path, times: list[int]) -> None:
    line = [*RUN, "-o", str(tmp_path), "--minutes", "10", *FEW]
    for _ in range(2):
        result = runner.invoke(app, line)
        assert result.exit_code == 0, result.output
    assert times == [1]
    plan = yaml.safe_load((tmp_path / "plan.yaml").read_text())
    resolved = yaml.safe_load((tmp_path / "config.resolved.yaml").read_text())
    assert resolved["teacher"]["model"]["shorter"] == plan["teacher"]["model"]["shorter"]
    assert resolved["estimate"] is False
    assert not (tmp_path / "planning").exists()


def test_a_run_stopped_after_its_plan_keeps_it(tmp_path: Path, times: list[int]) -> None:
    line = [*RUN, "-o", str(tmp_path), *FEW]
    assert runner.invoke(app, line).exit_code == 0
    (tmp_path / "config.resolved.yaml").unlink(missing_ok=True)
    assert runner.invoke(app, line).exit_code == 0
    assert times == [1]
    assert runner.invoke(app, [*line, "--minutes", "7"]).exit_code == 0
    assert times == [1, 1]
    other = [*line, "--set", "data.percent=50", "--redo"]
    assert runner.invoke(app, other).exit_code == 0
    assert times == [1, 1, 1]


def test_minutes_are_for_plans(tmp_path: Path) -> None:
    line = [*RUN, "-o", str(tmp_path), "-c", "shapes", "--minutes", "10"]
    result = runner.invoke(app, line)
    assert result.exit_code == 1
    assert "--minutes and --config exclude each other" in result.stderr


def test_without_data_both_ways_are_named(tmp_path: Path) -> None:
    result = runner.invoke(app, [*RUN, "-o", str(tmp_path)])
    assert result.exit_code == 1
    assert "Name a configuration (--config FILE), or a data set" in result.stderr


def test_a_wrong_stage_is_refused_before_anything_is_planned(
    tmp_path: Path, times: list[int]
) -> None:
    out = str(tmp_path / "run")
    result = runner.invoke(app, ["run", "--until", "lables", "-o", out, *FEW])
    assert result.exit_code == 1
    assert "did you mean labels?" in result.stderr
    assert not times and not Path(out).exists()
