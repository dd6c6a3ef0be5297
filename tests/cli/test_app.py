import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
import yaml
from typer.testing import CliRunner

from ray_wssis.artifacts import Artifact, Workspace
from ray_wssis.cli.app import Sentences, app, verb
from ray_wssis.recipes.point_wssis import PointWSSIS
from ray_wssis.session import IN_A_RAY_JOB

runner = CliRunner()


def commands_that(make: Callable[[PointWSSIS], Artifact]) -> typer.Typer:
    """`wssis` with one verb more, `make`, and one that does something else."""
    extended = typer.Typer(cls=Sentences, pretty_exceptions_enable=False)
    extended.command("make")(verb(make))
    extended.command("other")(lambda: None)
    return extended


def page(run: PointWSSIS) -> Artifact:
    stage = run.open("page", {})
    if isinstance(stage, Workspace):
        (stage / "index.html").write_text(str(run.config.upper_bound))
        return stage.finish()
    return stage


def test_help_comes_at_once() -> None:
    start = time.process_time()
    before = os.times().children_user
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "ray_wssis.cli", "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "train" in done.stdout
    assert "serve" in done.stdout  # offered by a package that nothing here imports
    assert not {"torch", "ray", "fastapi", "timm", "matplotlib"} & {
        line.rpartition("|")[2].strip() for line in done.stderr.splitlines()
    }
    assert os.times().children_user - before + time.process_time() - start < 3  # on a busy machine


def test_a_verb_says_where_its_result_is(tmp_path: Path) -> None:
    out = str(tmp_path / "run")
    result = runner.invoke(
        commands_that(page), ["make", "-c", "shapes", "-o", out, "--upper-bound"]
    )
    assert result.exit_code == 0, result.output
    assert result.stdout.strip() == f"{out}/page/index.html"
    assert Path(out, "page/index.html").read_text() == "True"


def test_without_config_a_verb_goes_on_with_the_one_of_the_run(tmp_path: Path) -> None:
    commands, out = commands_that(page), str(tmp_path)
    assert runner.invoke(commands, ["make", "-c", "shapes", "-o", out, "--set", "seed=3"])
    result = runner.invoke(commands, ["make", "-o", out])
    assert result.exit_code == 0, result.output
    assert "seed: 3" in (tmp_path / "config.resolved.yaml").read_text()


def test_a_first_run_wants_a_configuration(tmp_path: Path) -> None:
    result = runner.invoke(app, ["run", "-o", str(tmp_path)])
    assert result.exit_code == 1
    assert "no --config, and there is no" in result.stderr


def test_another_configuration_is_refused_and_redone_when_asked(tmp_path: Path) -> None:
    line = ["make", "-c", "shapes", "-o", str(tmp_path), "--set"]
    assert runner.invoke(commands_that(page), [*line, "seed=0"]).exit_code == 0
    refused = runner.invoke(commands_that(page), [*line, "seed=1"])
    assert refused.exit_code == 1
    assert "page was made with seed = 0, now 1. Use another --out, or pass --redo" in refused.stderr
    assert runner.invoke(commands_that(page), [*line, "seed=1", "--redo"]).exit_code == 0


def test_a_preset_is_resolved_once_and_says_what_it_gives_up(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="ray_wssis")
    commands, out = commands_that(page), str(tmp_path)
    line = [
        "make",
        "-c",
        "shapes",
        "--preset",
        "fast",
        "-o",
        out,
        "--set",
        "student.training.steps=9",
    ]
    result = runner.invoke(commands, line)
    assert result.exit_code == 0, result.output
    assert "teacher 300 -> 25" in caplog.text and "gives up accuracy" in caplog.text
    resolved = yaml.safe_load((tmp_path / "config.resolved.yaml").read_text())
    assert resolved["teacher"]["training"]["steps"] == 25
    assert resolved["student"]["training"]["steps"] == 9

    again = runner.invoke(commands, ["make", "-o", out])
    assert again.exit_code == 0, again.output
    assert yaml.safe_load((tmp_path / "config.resolved.yaml").read_text()) == resolved

    twice = runner.invoke(commands, ["make", "-o", out, "--preset", "fast"])
    assert twice.exit_code == 1
    assert "--preset changes the configuration of --config, which is missing" in twice.stderr


def test_an_unknown_preset_is_told_the_known_ones(tmp_path: Path) -> None:
    line = ["run", "-c", "shapes", "-o", str(tmp_path), "--preset", "fats"]
    result = runner.invoke(app, line, env={"TERMINAL_WIDTH": "200"})
    assert result.exit_code == 2
    assert "fats" in result.stderr and "fast" in result.stderr


def test_a_dumped_preset_shows_its_values() -> None:
    dumped = runner.invoke(app, ["config", "dump", "coco_5p", "--preset", "fast"])
    assert yaml.safe_load(dumped.stdout)["student"]["training"]["steps"] == 22_500
    assert runner.invoke(app, ["config", "check", "coco_5p", "--preset", "fast"]).exit_code == 0


def test_what_a_user_did_wrong_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = ["run", "-c", "shapes", "-o", str(tmp_path), "--set", "teacher.trainig.steps=3"]
    result = runner.invoke(app, line)
    assert result.exit_code == 1
    assert "teacher.trainig: unknown key, did you mean teacher.training?" in result.stderr
    assert "Traceback" not in result.output
    assert not result.stdout

    monkeypatch.setenv("WSSIS_DEBUG", "1")
    assert isinstance(runner.invoke(app, line).exception, ValueError)


def test_a_full_disk_is_a_sentence(tmp_path: Path) -> None:
    def make(run: PointWSSIS) -> Artifact:
        raise OSError(28, "No space left on device")

    result = runner.invoke(
        commands_that(make), ["make", "-c", "shapes", "-o", str(tmp_path / "run")]
    )
    assert result.exit_code == 1
    assert "No space left on device" in result.stderr


def test_ctrl_c_says_that_the_same_command_goes_on(tmp_path: Path) -> None:
    def make(run: PointWSSIS) -> Artifact:
        raise KeyboardInterrupt

    result = runner.invoke(
        commands_that(make), ["make", "-c", "shapes", "-o", str(tmp_path / "run")]
    )
    assert result.exit_code == 130
    assert result.stderr == "Stopped. The same command goes on from here.\n"


def test_a_bug_keeps_its_traceback(tmp_path: Path) -> None:
    def make(run: PointWSSIS) -> Artifact:
        raise ZeroDivisionError

    result = runner.invoke(
        commands_that(make), ["make", "-c", "shapes", "-o", str(tmp_path / "run")]
    )
    assert isinstance(result.exception, ZeroDivisionError)


def test_within_a_ray_job_a_relative_out_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(IN_A_RAY_JOB, "{}")
    result = runner.invoke(app, ["run", "-c", "shapes", "-o", "runs/demo"])
    assert result.exit_code == 1
    assert "--out runs/demo is relative" in result.stderr


def test_a_configuration_is_dumped_and_checked(tmp_path: Path) -> None:
    dumped = runner.invoke(app, ["config", "dump", "shapes", "--set", "seed=5"])
    assert "seed: 5" in dumped.stdout
    (tmp_path / "mine.yaml").write_text(dumped.stdout)
    checked = runner.invoke(app, ["config", "check", str(tmp_path / "mine.yaml")])
    assert checked.exit_code == 0, checked.output
    wrong = runner.invoke(app, ["config", "check", "shapes", "--set", "sed=1"])
    assert wrong.exit_code == 1
    assert "sed: unknown key, did you mean seed?" in wrong.stderr


@pytest.mark.parametrize(
    "verb", [["demo"], ["run"], ["train", "teacher"], ["label"], ["evaluate"], ["report"], ["data"]]
)
def test_every_verb_has_help(verb: list[str]) -> None:
    result = runner.invoke(app, [*verb, "--help"])
    assert result.exit_code == 0
    assert "Usage" in result.stdout
