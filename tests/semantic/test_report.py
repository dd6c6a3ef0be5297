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
    values = {"result": result, "pseudo": None, "counts": counts, "tags": True}
    page = render("headline", HERE, main="student", **values)
    heading = str(page).partition("</h1>")[0]
    assert said in heading


def test_images_without_labels_are_not_called_tagged() -> None:
    result = {"student": 50.0, "baseline": 50.0, "upper_bound": None}
    counts = {"strong": {"num_images": 4}, "weak": {"num_images": 8}}
    values = {"result": result, "pseudo": None, "counts": counts, "tags": False}
    page = str(render("headline", HERE, main="student", **values))
    assert "Images without labels did not help: 50.0&nbsp;mIoU, 50.0 without them" in page
    assert "<b>8 images without labels</b>" in page
    assert "Tags" not in page
