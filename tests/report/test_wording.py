import pytest

from ray_wssis.report.wording import show_count, show_duration, show_figure


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (47.2, "47 s"), (390, "6.5 min"), (3600 * 41.3, "41 h")],
)
def test_durations_are_short(seconds: float, text: str) -> None:
    assert show_duration(seconds) == text


def test_numbers_that_are_not_there_are_dashes() -> None:
    assert (show_figure(None), show_count(None)) == ("–", "–")
    assert show_count(1234567) == "1\u202f234\u202f567"
