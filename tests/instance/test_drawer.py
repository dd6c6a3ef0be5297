import json
from pathlib import Path

import pytest
from upath import UPath

from ray_wssis.instance.drawer import drawer_of
from ray_wssis.verdict import said


def tried(folder: Path, number: int, teacher: float, student: float) -> None:
    (folder / f"round_{number}_verdict").mkdir()
    verdict = json.dumps(said(3, teacher, student))
    (folder / f"round_{number}_verdict/verdict.json").write_text(verdict)


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
    for number, student in enumerate(students, start=1):
        tried(tmp_path, number, 70.0, student)
    assert drawer_of(UPath(tmp_path)) == drawer
