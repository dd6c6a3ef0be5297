import numpy as np

from ray_wssis.report.charts import (
    MOST_POINTS,
    curve,
    iou_histogram,
    loss_chart,
    reliability_chart,
    thin,
)


def test_a_curve_skips_lines_without_the_figure() -> None:
    lines: list[dict[str, float | None]] = [
        {"step": 1, "loss": 2.0},
        {"step": 2, "val/AP": 1.0},
        {"step": 3, "loss": None},
    ]
    assert curve(lines, "loss") == ([1.0], [2.0])


def test_long_curves_are_thinned_to_means() -> None:
    steps, values = thin(range(4 * MOST_POINTS), [1.0, 3.0] * 2 * MOST_POINTS)
    assert len(steps) == MOST_POINTS
    assert steps[0] == 1.5
    assert set(values) == {2.0}


def test_charts_take_the_colours_of_the_page() -> None:
    svg = loss_chart({"teacher": ([1, 2, 3], [100.0, 10.0, 1.0])}, "a")
    assert "var(--teacher)" in svg
    assert "#fe01" not in svg
    assert "http" not in svg


def test_the_same_numbers_give_the_same_chart() -> None:
    values = np.array([0.1, 0.5, 1.0])
    assert iou_histogram(values, values, "a") == iou_histogram(values, values, "a")


def test_a_reliability_chart_has_a_dot_for_each_bin() -> None:
    bins = [{"expected": 0.2, "true": 0.3}, {"expected": 0.6, "true": 0.5}]
    fewer, more = reliability_chart(bins[:1], "a"), reliability_chart(bins, "a")
    assert more.count("<use") == fewer.count("<use") + 1
    assert "expected IoU" in more
