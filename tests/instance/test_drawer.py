import json
from pathlib import Path

import pytest
from upath import UPath

from ray_wssis.instance.drawer import drawer_of, is_drawn_here
from ray_wssis.verdict import said


def tried(folder: Path, number: int, teacher: float, student: float) -> None:
    (folder / f"round_{number}_verdict").mkdir()
    verdict = json.dumps(said(3, teacher, student))
    (folder / f"round_{number}_verdict/verdict.json").write_text(verdict)


def configured(folder: Path, rounds: int) -> None:
    (folder / "config.resolved.yaml").write_text(f"rounds: {rounds}\n")


@pytest.mark.parametrize(
    ("students", "drawer"),
    [
        ([], "teacher"),
        ([71.0], "round_1_student"),
        ([69.0], "teacher"),
        ([71.0, 72.0], "round_2_student"),
        ([71.0, 69.0], "round_1_student"),
    ],
)
def test_the_last_better_student_drew(tmp_path: Path, students: list[float], drawer: str) -> None:
    configured(tmp_path, rounds=len(students) + 1)
    for number, student in enumerate(students, start=1):
        tried(tmp_path, number, 70.0, student)
    assert drawer_of(UPath(tmp_path)) == drawer


def test_rounds_of_an_earlier_configuration_do_not_count(tmp_path: Path) -> None:
    configured(tmp_path, rounds=1)
    tried(tmp_path, 1, 70.0, 71.0)
    assert drawer_of(UPath(tmp_path)) == "teacher"


def test_a_run_that_is_not_so_far_has_its_teacher(tmp_path: Path) -> None:
    assert drawer_of(UPath(tmp_path)) == "teacher"
    configured(tmp_path, rounds=3)
    assert drawer_of(UPath(tmp_path)) == "teacher"


def test_a_labeller_from_elsewhere_is_told_from_the_teacher(tmp_path: Path) -> None:
    assert is_drawn_here(UPath(tmp_path))
    for name, here in (("point_wssis", True), ("sam2", False)):
        (tmp_path / "config.resolved.yaml").write_text(f"labeller: {{name: {name}}}\n")
        assert is_drawn_here(UPath(tmp_path)) == here
