import json
from pathlib import Path

import pytest
from upath import UPath

from ray_wssis.models.model_folder import DESCRIPTION, METRICS, find_model


@pytest.fixture
def run(tmp_path: Path) -> UPath:
    for name in ("teacher", "student"):
        (tmp_path / name / "model").mkdir(parents=True)
        (tmp_path / name / "model" / DESCRIPTION).write_text("{}")
    return UPath(tmp_path)


def measured(run: UPath, teacher: float | None, student: float | None) -> None:
    figures = {"teacher/val/AP": teacher, "student/val/AP": student}
    (run / METRICS).write_text(json.dumps(figures))


def test_the_model_of_a_run_is_its_student(run: UPath) -> None:
    assert find_model(run) == run / "student/model"
    assert find_model(run / "teacher") == run / "teacher/model"
    assert find_model(run / "teacher/model") == run / "teacher/model"


@pytest.mark.parametrize(
    ("teacher", "student", "used"),
    [
        (20.0, 30.0, "student"),
        (20.0, 20.0, "student"),
        (20.0, 19.9, "teacher"),
        (None, 1.0, "student"),
    ],
)
def test_a_teacher_that_is_better_takes_its_place(
    run: UPath,
    teacher: float | None,
    student: float,
    used: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    measured(run, teacher, student)
    assert find_model(run) == run / used / "model"
    assert ("the teacher is used" in caplog.text) == (used == "teacher")


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not a model folder"):
        find_model(UPath(tmp_path))
