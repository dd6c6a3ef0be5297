import numpy as np

from ray_wssis.instance.report_masks import iou_histogram, reliability_chart


def test_the_same_numbers_give_the_same_chart() -> None:
    values = np.array([0.1, 0.5, 1.0])
    assert iou_histogram(values, values, "a") == iou_histogram(values, values, "a")


def test_a_reliability_chart_has_a_dot_for_each_bin() -> None:
    bins = [{"expected": 0.2, "true": 0.3}, {"expected": 0.6, "true": 0.5}]
    fewer, more = reliability_chart(bins[:1], "a"), reliability_chart(bins, "a")
    assert more.count("<use") == fewer.count("<use") + 1
    assert "expected IoU" in more
