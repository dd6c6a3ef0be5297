from typing import Any

import pytest
from wssis_serve.label_studio.points import (
    Marks,
    Task,
    clicked_objects,
    key_points,
    pointed_objects,
    stored_points,
)
from wssis_serve.segmented import PointQuery

from ray_wssis.data.records import Click
from tests.support.label_studio import CLASSES, key_point, marks, message_of


def test_a_click_context_is_an_object_for_each_class() -> None:
    points = key_points(
        marks(
            key_point("disc", 10, 10, is_positive=False),
            key_point("disc", 50, 25, is_positive=True),
            {"type": "rectanglelabels", "value": {"x": 1}},
            key_point("ring", 25, 75, is_positive=True),
            key_point("disc", 5, 5),  # was there before
            key_point("disc", 60, 50, is_positive=True),
        )
    )
    assert clicked_objects(points, (200, 100), CLASSES) == [
        PointQuery(
            x=100.0,
            y=25.0,
            category="disc",
            clicks=[Click(120.0, 50.0, True), Click(20.0, 10.0, False)],
        ),
        PointQuery(x=50.0, y=75.0, category="ring"),
    ]


def test_a_class_that_was_only_clicked_off_the_object_has_none() -> None:
    points = key_points(marks(key_point("disc", 10, 10, is_positive=False)))
    assert clicked_objects(points, (200, 100), CLASSES) == []


def test_each_stored_point_is_an_object() -> None:
    points = key_points(marks(key_point("disc", 50, 25), key_point("disc", 25, 75)))
    assert pointed_objects(points, (200, 100), CLASSES) == [
        PointQuery(x=100.0, y=25.0, category="disc"),
        PointQuery(x=50.0, y=75.0, category="disc"),
    ]


@pytest.mark.parametrize(
    ("percent", "pixel"), [(0, 0.5), (100, 9.5), (-3, 0.5), (250, 9.5), (95, 9.5), (94, 9.4)]
)
def test_places_are_clipped_to_the_image(percent: float, pixel: float) -> None:
    (found,) = pointed_objects(key_points(marks(key_point("disc", percent, 50))), (10, 10), CLASSES)
    assert found.x == pytest.approx(pixel)
    assert found.y == 5


@pytest.mark.parametrize(
    ("region", "message"),
    [
        (key_point("star", 1, 1), "'star', which is no class of the model; it knows disc, ring"),
        (key_point("disc", 1, 1, image_rotation=90), "rotate it back"),
        (key_point("disc", float("nan"), 1), "a key point: value.x"),
        (key_point("disc", 1, 1, value={"x": 1, "y": 1, "keypointlabels": []}), "keypointlabels"),
        ({"type": "keypointlabels"}, "a key point: value"),
    ],
)
def test_refuses_other_points(region: dict[str, Any], message: str) -> None:
    def wrong() -> None:
        pointed_objects(key_points(marks(region)), (10, 10), CLASSES)

    assert message in message_of(wrong)


def test_the_latest_marks_with_points_count() -> None:
    at = [f"2026-01-0{day}T00:00:00.000000Z" for day in range(10)]
    older = marks(key_point("disc", 1, 1), updated_at=at[1])
    newer = marks(key_point("disc", 2, 2), updated_at=at[3])
    draft = marks(key_point("disc", 3, 3), updated_at=at[5])
    without = marks({"type": "brushlabels"}, updated_at=at[7])
    cancelled = marks(key_point("disc", 4, 4), was_cancelled=True, updated_at=at[8])
    negative = marks(key_point("disc", 5, 5, is_positive=False), updated_at=at[9])

    def x_of(annotations: list[Marks], drafts: list[Marks]) -> list[float]:
        task = Task(data={}, annotations=annotations, drafts=drafts)
        return [point.value.x for point in stored_points(task)]

    assert x_of([older, newer, without, cancelled, negative], []) == [2]
    assert x_of([older, newer, without, cancelled, negative], [draft]) == [3]
    assert x_of([newer, older], []) == [2]
    assert x_of([without, cancelled, negative], []) == []
