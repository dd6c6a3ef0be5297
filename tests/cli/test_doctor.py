import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ray_wssis.cli.app import app

runner = CliRunner()


@pytest.fixture(autouse=True)
def of_this_test(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No token and no cluster of whoever runs the tests."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("RAY_ADDRESS", raising=False)


def test_a_machine_that_works_is_exit_status_0(tmp_path: Path) -> None:
    done = runner.invoke(app, ["doctor", "--out", str(tmp_path / "runs"), "--json"])
    assert done.exit_code == 0, done.output
    found = {each["about"]: each for each in json.loads(done.stdout)}
    assert {"python", "torch pair", "CPUs", "memory", "--out", "token", "Ray"} <= set(found)
    assert found["--out"]["state"] == "ok"
    assert found["torch pair"]["to_do"] == ""
    assert all(each["to_do"] for each in found.values() if each["state"] != "ok")


def test_a_folder_that_cannot_be_written_is_exit_status_1() -> None:
    done = runner.invoke(app, ["doctor", "--out", "/proc/runs"])
    assert done.exit_code == 1
    assert "problem" in done.stdout and "-> Make it writable" in done.stdout
    assert "problems: 1," in done.stdout


def test_a_wrong_ray_address_is_exit_status_1(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    done = runner.invoke(app, ["doctor", "--json"])
    assert done.exit_code == 1
    (problem,) = [each for each in json.loads(done.stdout) if each["state"] == "problem"]
    assert problem["found"] == "nothing answers at 127.0.0.1:1"
