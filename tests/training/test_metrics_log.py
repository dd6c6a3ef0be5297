"""The log of a training, read back."""

from ray_wssis.training.metrics_log import describe_best

LINES = [
    {"step": 10, "loss": 2.0},
    {"step": 100, "val/refined_mIoU": 42.46},
    {"step": 200, "val/refined_mIoU": 41.2},
]


def test_the_best_validation_is_told_with_the_last() -> None:
    best = describe_best(LINES, "val/refined_mIoU")
    assert best == "best refined mIoU 42.5 at step 100, 41.2 at the end"
    last = {"step": 300, "val/refined_mIoU": 50.0}
    assert describe_best([*LINES, last], "val/refined_mIoU") == (
        "best refined mIoU 50.0 at step 300"
    )


def test_a_single_validation_has_just_been_shown() -> None:
    assert describe_best(LINES[:2], "val/refined_mIoU") is None
    assert describe_best([], "val/refined_mIoU") is None
