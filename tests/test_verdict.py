"""What the audit images say of a round."""

import pytest

from ray_wssis.verdict import said


@pytest.mark.parametrize(
    ("before", "after", "is_taken"),
    [(50.0, 51.0, True), (50.0, 50.0, True), (50.0, 49.9, False), (None, None, True)],
)
def test_a_round_that_is_worse_is_not_taken(
    before: float | None, after: float | None, is_taken: bool
) -> None:
    assert said(3, before, after)["is_taken"] == is_taken
