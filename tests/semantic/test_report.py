"""The first sentence of a semantic report."""

import pytest

from ray_wssis.report.template import render
from ray_wssis.semantic.report import HERE


@pytest.mark.parametrize(
    ("student", "baseline", "said"),
    [
        (43.3, 37.2, "Tags lifted the segmenter from 37.2 to 43.3&nbsp;mIoU"),
        (37.2, 43.3, "Tags did not help: 37.2&nbsp;mIoU, 43.3 without them"),
        (37.2, None, "The student reaches 37.2 mIoU"),
        (None, 43.3, "No figure for the student"),
    ],
)
def test_the_headline_says_what_came_out(
    student: float | None, baseline: float | None, said: str
) -> None:
    result = {"student": student, "baseline": baseline, "upper_bound": None}
    counts: dict[str, object] = {}
    page = render("headline", HERE, main="student", result=result, pseudo=None, counts=counts)
    heading = str(page).partition("</h1>")[0]
    assert said in heading
