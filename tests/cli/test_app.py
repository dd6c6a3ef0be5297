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

from ray_wssis.cli.app import app
from ray_wssis.cli.sentences import Sentences
from ray_wssis.session import IN_A_RAY_JOB

runner = CliRunner()
FEW = ["--set", "data.shapes={num_images: 12, num_validation_images: 4, size: 64}"]
SPLIT = ["run", "--until", "split"]  # the quickest of all stages


def commands_that(fail: Callable[[], None]) -> typer.Typer:
    """Return a `wssis` of one command, `fail`, and one that does something else."""
    commands = typer.Typer(cls=Sentences, pretty_exceptions_enable=False)
    commands.command("fail")(fail)
    commands.command("other")(lambda: None)
    return commands


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


def test_a_command_says_where_its_result_is(tmp_path: Path) -> None:
    out = str(tmp_path / "run")
    result = runner.invoke(app, [*SPLIT, "-c", "shapes", "-o", out, "--upper-bound", *FEW])
    assert result.exit_code == 0, result.output
    assert result.stdout.strip() == f"{out}/split"
    assert yaml.safe_load(Path(out, "config.resolved.yaml").read_text())["upper_bound"] is True


def test_an_unknown_stage_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    out = str(tmp_path / "run")
    result = runner.invoke(app, ["run", "--until", "lables", "-c", "shapes", "-o", out, *FEW])
    assert result.exit_code == 1
    assert "--until lables: no such stage, did you mean labels?" in result.stderr
    assert not Path(out).exists()


def test_without_config_a_command_continues_with_the_one_of_the_run(tmp_path: Path) -> None:
    out = str(tmp_path)
    assert runner.invoke(app, [*SPLIT, "-c", "shapes", "-o", out, "--set", "seed=3", *FEW])
    result = runner.invoke(app, [*SPLIT, "-o", out])
    assert result.exit_code == 0, result.output
    assert "seed: 3" in (tmp_path / "config.resolved.yaml").read_text()


def test_a_first_run_needs_a_configuration(tmp_path: Path) -> None:
    result = runner.invoke(app, ["run", "-o", str(tmp_path)])
    assert result.exit_code == 1
    assert "--config is missing, and there is no" in result.stderr


def test_another_configuration_is_refused_and_redone_when_asked(tmp_path: Path) -> None:
    line = [*SPLIT, "-c", "shapes", "-o", str(tmp_path), *FEW, "--set"]
    assert runner.invoke(app, [*line, "seed=0"]).exit_code == 0
    refused = runner.invoke(app, [*line, "seed=1"])
    assert refused.exit_code == 1
    assert "split was made with seed = 0, now 1. Use another --out, or pass --redo" in (
        refused.stderr
    )
    assert runner.invoke(app, [*line, "seed=1", "--redo"]).exit_code == 0


def test_a_preset_is_resolved_once_and_says_what_it_gives_up(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="ray_wssis")
    out = str(tmp_path)
    line = [*SPLIT, "-c", "shapes", "--preset", "fast", "-o", out, *FEW]
    result = runner.invoke(app, [*line, "--set", "student.training.steps=9"])
    assert result.exit_code == 0, result.output
    assert "teacher 300 -> 25" in caplog.text and "gives up accuracy" in caplog.text
    resolved = yaml.safe_load((tmp_path / "config.resolved.yaml").read_text())
    assert resolved["teacher"]["training"]["steps"] == 25
    assert resolved["student"]["training"]["steps"] == 9

    again = runner.invoke(app, [*SPLIT, "-o", out])
    assert again.exit_code == 0, again.output
    assert yaml.safe_load((tmp_path / "config.resolved.yaml").read_text()) == resolved

    twice = runner.invoke(app, [*SPLIT, "-o", out, "--preset", "fast"])
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


@pytest.mark.parametrize("inside", ["", "/run"])
def test_a_file_in_place_of_a_folder_is_a_sentence(tmp_path: Path, inside: str) -> None:
    (tmp_path / "file").touch()
    result = runner.invoke(app, ["run", "-c", "shapes", "-o", f"{tmp_path}/file{inside}"])
    assert result.exit_code == 1
    assert f"{tmp_path}/file is a file, so no run can be in it" in result.stderr


def test_a_full_disk_is_a_sentence() -> None:
    def fail() -> None:
        raise OSError(28, "No space left on device")

    result = runner.invoke(commands_that(fail), ["fail"])
    assert result.exit_code == 1
    assert "No space left on device" in result.stderr


def test_ctrl_c_says_that_the_same_command_continues() -> None:
    def fail() -> None:
        raise KeyboardInterrupt

    result = runner.invoke(commands_that(fail), ["fail"])
    assert result.exit_code == 130
    assert result.stderr == "Stopped. The same command continues from here.\n"


def test_a_bug_keeps_its_traceback() -> None:
    def fail() -> None:
        raise ZeroDivisionError

    result = runner.invoke(commands_that(fail), ["fail"])
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
