import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest
from upath import UPath

from ray_wssis.artifacts import Workspace, open_stage
from ray_wssis.logs import JsonFormatter, LogFormat, choose, run_id, wants_json


def line_of(formatter: JsonFormatter, message: str, **extra: object) -> dict[str, object]:
    record = logging.makeLogRecord(
        {"msg": message, "levelname": "INFO", "levelno": logging.INFO, "created": 0.25} | extra
    )
    line: dict[str, object] = json.loads(formatter.format(record))
    return line


def test_a_line_says_when_where_and_what() -> None:
    assert line_of(JsonFormatter("mine-123456"), "teacher: begins", stage="teacher") == {
        "time": "1970-01-01T00:00:00.250+00:00",
        "level": "INFO",
        "run": "mine-123456",
        "stage": "teacher",
        "message": "teacher: begins",
    }


def test_a_line_is_of_the_stage_that_spoke_last() -> None:
    formatter = JsonFormatter("mine")
    assert line_of(formatter, "hello")["stage"] is None
    line_of(formatter, "labels: begins", stage="labels")
    assert line_of(formatter, "3 images failed")["stage"] == "labels"


def test_figures_stay_numbers() -> None:
    line = line_of(JsonFormatter("mine"), "10/20", step=10, **{"loss/dice": 0.5})
    assert (line["step"], line["loss/dice"]) == (10, 0.5)


def test_nothing_that_is_logged_breaks_the_line() -> None:
    formatter = JsonFormatter("mine")
    try:
        raise ValueError("two\nlines")
    except ValueError:
        caught = sys.exc_info()
    line = line_of(formatter, "oh", exc_info=caught, run="other", folder=Path("/x"))
    assert "ValueError: two" in str(line["traceback"])
    assert (line["run"], line["folder"]) == ("mine", "/x")


def test_runs_of_one_name_have_different_ids() -> None:
    first, second = run_id(UPath("/a/mine")), run_id(UPath("s3://b/mine"))
    assert first.startswith("mine-") and second.startswith("mine-") and first != second


def test_a_format_that_was_chosen_holds_for_children(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WSSIS_LOG", "text")
    choose(LogFormat.JSON)
    assert wants_json() and os.environ["WSSIS_LOG"] == "json"


def test_stages_say_who_they_are(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="ray_wssis")
    stage = open_stage(tmp_path / "teacher", {})
    assert isinstance(stage, Workspace)
    stage.finish()
    open_stage(tmp_path / "teacher", {})
    assert [getattr(record, "stage", None) for record in caplog.records] == ["teacher"] * 3


def wssis(*words: str, **environment: str) -> list[dict[str, object]]:
    """The lines that a failing command logs."""
    return python("-m", "ray_wssis.cli", *words, **environment)


def python(*words: str, **environment: str) -> list[dict[str, object]]:
    done = subprocess.run(
        [sys.executable, *words],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1 and not done.stdout
    return [json.loads(line) for line in done.stderr.splitlines()]


def test_what_a_user_did_wrong_is_a_line_too(tmp_path: Path) -> None:
    words = ["run", "--out", str(tmp_path)]
    (by_option,) = wssis(*words, "--log-format", "json")
    (by_variable,) = wssis(*words, WSSIS_LOG="json")
    for line in (by_option, by_variable):
        assert (line["level"], line["run"]) == ("ERROR", run_id(UPath(tmp_path)))
        assert str(line["message"]).startswith("--config is missing, and there is no")


def test_an_error_before_a_run_is_known_is_a_line_too() -> None:
    (line,) = wssis("audit", "/nowhere", WSSIS_LOG="json")
    assert (line["level"], line["run"], line["stage"]) == ("ERROR", None, None)


SURPRISES = """
import warnings
from upath import UPath
from ray_wssis.logs import begin
begin(UPath("/runs/mine"))
warnings.warn("old")
raise KeyError("new")
"""


def test_warnings_and_what_nobody_caught_are_lines_too() -> None:
    warning, error = python("-c", SURPRISES, WSSIS_LOG="json")
    assert (warning["level"], error["level"]) == ("WARNING", "CRITICAL")
    assert "old" in str(warning["message"])
    assert error["message"] == "KeyError: 'new'"
    assert "Traceback" in str(error["traceback"])
    assert warning["run"] == error["run"] == run_id(UPath("/runs/mine"))


def test_where_credentials_were_found_is_no_news() -> None:
    words = "import logging; from ray_wssis.logs import begin; begin(None)"
    words += "; logging.getLogger('aiobotocore.credentials').info('found')"
    words += "; logging.getLogger('ray_wssis.any').info('said')"
    done = subprocess.run(
        [sys.executable, "-c", words], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stderr == "said\n"
