import pytest

from ray_wssis.instance.evaluate import warn


@pytest.mark.parametrize(
    ("teacher", "student", "warned"), [(8.4, 5.3, True), (8.4, 9.4, False), (None, 5.3, False)]
)
def test_a_student_below_its_teacher_is_worth_a_warning(
    teacher: float | None, student: float, warned: bool, caplog: pytest.LogCaptureFixture
) -> None:
    warn({"teacher/val/AP": teacher, "student/val/AP": student})
    assert ("worse than its teacher (AP 5.3 against 8.4)" in caplog.text) == warned
