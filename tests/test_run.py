"""A run in which a second recipe, of two rounds, is a page of a few lines."""

import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from upath import UPath

from ray_wssis.artifacts import Artifact, StaleArtifact, Workspace
from ray_wssis.run import RESOLVED, Run, carry_out
from ray_wssis.run_config import RunConfig
from tests.support.toy_recipe import ToyConfig, toy


def numbers(made: Artifact) -> list[int]:
    return [int(line) for line in (made / "numbers").read_text().split()]


def names(folder: Path) -> list[str]:
    return sorted(path.parent.name for path in folder.glob("*/manifest.json"))


def test_a_recipe_yields_its_stages_in_order_each_finished(tmp_path: Path) -> None:
    config = ToyConfig()
    made = list(toy(Run(config, tmp_path), config))
    assert [artifact.folder.name for artifact in made] == config.stages()
    assert numbers(made[0]) == [0, 1, 2] and numbers(made[-1]) == [2, 4, 6]
    assert [artifact.manifest["says"] for artifact in made][
        1
    ] == "Round 1 adds to what it was given"


def test_until_stops_after_a_stage_and_the_rest_follows_later(tmp_path: Path) -> None:
    config = ToyConfig()
    made = carry_out(toy(Run(config, tmp_path), config), "round_1")
    assert made.folder.name == "round_1" and names(tmp_path) == ["data", "round_1"]
    whole = carry_out(toy(Run(config, tmp_path), config))
    assert whole.folder.name == "sum"
    assert (tmp_path / "round_1/log").read_text() == "made\n"  # once


def test_an_unknown_stage_is_refused_by_name(tmp_path: Path) -> None:
    config = ToyConfig()
    with pytest.raises(ValueError, match="no stage is named round_3; this run has data, round_1"):
        carry_out(toy(Run(config, tmp_path), config), "round_3")


def test_a_changed_value_is_refused_by_name_and_remade_when_asked(tmp_path: Path) -> None:
    config = ToyConfig()
    carry_out(toy(Run(config, tmp_path), config))
    changed = ToyConfig(add=2)
    with pytest.raises(StaleArtifact, match=r"round_1 was made with add = 1, now 2.*--redo"):
        carry_out(toy(Run(changed, tmp_path), changed))
    assert "add: 1" in (tmp_path / RESOLVED).read_text()
    made = carry_out(toy(Run(changed, tmp_path, redo=True), changed))
    assert numbers(made) == [4, 6, 8]
    assert (tmp_path / "data/log").read_text() == "made\n"  # it was not made from that value
    assert "add: 2" in (tmp_path / RESOLVED).read_text()


def test_a_run_that_was_killed_continues_in_the_stage_that_was_interrupted(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.support.toy_recipe", str(tmp_path), "--wait-in=round_2"]
    process = subprocess.Popen(command, cwd=Path(__file__).parents[1])
    until = time.monotonic() + 180
    while not (tmp_path / "round_2/started.json").exists():
        assert process.poll() is None and time.monotonic() < until
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait(timeout=60)
    assert names(tmp_path) == ["data", "round_1"]

    config = ToyConfig()
    made = carry_out(toy(Run(config, tmp_path), config))
    assert numbers(made) == [2, 4, 6]
    assert (tmp_path / "round_1/log").read_text() == "made\n"


def test_a_stage_may_follow_a_retry_without_being_asked(tmp_path: Path) -> None:
    def stage(run: Run, value: int, follows_retry: bool) -> Artifact:
        def make(workspace: Workspace) -> None:
            (workspace / "value").write_text(str(value))

        return run.stage("it", "", {"value": value}, make, follows_retry=follows_retry)

    config = RunConfig(recipe="none")
    stage(Run(config, tmp_path), 1, True)
    with pytest.raises(StaleArtifact):
        stage(Run(config, tmp_path), 2, True)
    with pytest.raises(StaleArtifact):
        stage(Run(config, tmp_path, retry_failed=True), 2, False)
    made = stage(Run(config, tmp_path, retry_failed=True), 2, True)
    assert (made / "value").read_text() == "2"


def test_a_folder_of_an_earlier_version_is_refused_in_a_sentence(tmp_path: Path) -> None:
    config = ToyConfig()
    old = '{"digest": "", "made_from": {}, "seed": 0, "outputs": {}, "code_version": "0.1.0+abc"}'
    (tmp_path / "data").mkdir()
    (tmp_path / "data/manifest.json").write_text(old)
    with pytest.raises(StaleArtifact, match=r"made by an earlier ray-wssis \(0\.1\.0\)"):
        carry_out(toy(Run(config, UPath(tmp_path)), config))


def test_an_estimate_is_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="ray_wssis")
    run = Run(RunConfig(recipe="none"), tmp_path)

    def broken() -> dict[str, float]:
        raise RuntimeError("the node is gone")

    def impossible() -> dict[str, float]:
        raise ValueError("there is no such network")

    run.estimate("teacher", broken)
    assert "could not be measured: the node is gone" in caplog.text
    with pytest.raises(ValueError, match="no such network"):
        run.estimate("teacher", impossible)
    run.estimate("teacher", lambda: {"teacher": 61.0, "labels": 7000.0, "student": 600.0})
    assert "about 2.1 h: teacher 60 s, labels 1.9 h, student 10 min" in caplog.text
    (tmp_path / "teacher").mkdir()
    (tmp_path / "teacher/started.json").write_text("{}")
    caplog.clear()
    run.estimate("teacher", broken)
    Run(RunConfig(recipe="none", estimate=False), tmp_path / "other").estimate("teacher", broken)
    assert not caplog.records
