from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ray_wssis.data.records import Object, Record
from ray_wssis.instance.audit_figures import Audit, drift
from ray_wssis.masks import encode


def bar(x0: int, x1: int) -> bytes:
    mask = np.zeros((40, 100), dtype=bool)
    mask[:, x0:x1] = True
    return encode(mask)


TRUTH = Record(
    image_id=5,
    file="a.png",
    width=100,
    height=40,
    objects=(
        Object(annotation_id=1, label=0, mask=bar(0, 10)),  # 400 pixels
        Object(annotation_id=2, label=1, mask=bar(10, 20)),  # 400
        Object(annotation_id=3, label=1, mask=bar(40, 80)),  # 1600
        Object(annotation_id=4, label=0, mask=bar(80, 90), crowd=True),  # 400
    ),
)


def row(**changes: Any) -> dict[str, Any]:
    refined: list[bytes | None] = [bar(0, 8), None, bar(40, 60), bar(80, 90)]
    drawn: dict[str, Any] = {
        "image_id": 5,
        "annotation_id": [1, 2, 3, 4],
        "label": [0, 1, 1, 0],
        "rough": [bar(0, 5), None, bar(40, 50), bar(80, 90)],
        "refined": refined,
        "area": [320, 0, 800, 400],
    }
    return drawn | changes


def test_every_point_is_held_against_its_own_object() -> None:
    audit = Audit.of([row()], {5: TRUTH})
    assert audit.refined[:3].tolist() == pytest.approx([0.8, 0, 0.5])
    assert audit.rough[:3].tolist() == pytest.approx([0.5, 0, 0.25])
    assert audit.has_mask.tolist() == [True, False, True, True]
    assert audit.true_area[:3].tolist() == [400, 400, 1600]


def test_crowds_and_strangers_have_no_true_mask() -> None:
    both = [row(), row(image_id=6)]
    assert Audit.of(both, {5: TRUTH}).is_known.tolist() == [True] * 3 + [False] * 5


def test_figures_count_a_missing_mask_as_0() -> None:
    figures = Audit.of([row()], {5: TRUTH}).figures(["ring", "star", "square"])
    assert figures["num_images"] == 1
    assert (figures["num_objects"], figures["num_without_mask"]) == (3, 1)
    assert figures["mIoU"] == pytest.approx(100 * (0.8 + 0 + 0.5) / 3)
    assert figures["rough_mIoU"] == pytest.approx(25)
    assert figures["share_below_half"] == pytest.approx(100 / 3)


def test_figures_are_given_for_each_class_and_size_that_occurs() -> None:
    figures = Audit.of([row()], {5: TRUTH}).figures(["ring", "star", "square"])
    assert [(x["name"], x["num_objects"]) for x in figures["by_class"]] == [
        ("ring", 1),
        ("star", 2),
    ]
    assert [x["mIoU"] for x in figures["by_class"]] == pytest.approx([80, 25])
    assert [(x["name"], x["num_objects"]) for x in figures["by_size"]] == [
        ("small", 2),
        ("medium", 1),
    ]
    assert figures["by_size"][0]["share_below_half"] == 50


def test_objects_that_nobody_looked_at_are_not_known() -> None:
    audit = Audit.of([row()], {5: replace(TRUTH, annotated=bar(0, 40))})
    assert audit.is_known.tolist() == [True, True, False, False]


def test_no_rows_give_no_figures() -> None:
    failed = row(annotation_id=None, label=None, rough=None, refined=None, area=None)
    for rows in ([], [failed]):
        figures = Audit.of(rows, {5: TRUTH}).figures(["ring", "star"])
        assert figures["num_objects"] == 0
        assert figures["mIoU"] is None
        assert figures["by_class"] == figures["by_size"] == []


def test_drift_is_the_share_that_would_have_to_change_class() -> None:
    assert drift(np.array([50, 50]), np.array([7, 7])) == 0
    assert drift(np.array([50, 50]), np.array([9, 0])) == pytest.approx(0.5)
    assert drift(np.array([1, 0]), np.array([0, 3])) == 1
    assert drift(np.array([0, 0]), np.array([0, 3])) is None
