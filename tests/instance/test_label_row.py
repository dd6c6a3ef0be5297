from typing import Any

import numpy as np

from ray_wssis.masks import decode, encode
from ray_wssis.methods.point_wssis.labeller import finish_row
from ray_wssis.methods.point_wssis.refined_mask import Answer

SIZE = (40, 60)


def box(x0: int, y0: int, x1: int, y1: int) -> bytes:
    mask = np.zeros(SIZE, dtype=bool)
    mask[y0:y1, x0:x1] = True
    return encode(mask)


def answer(x0: int, y0: int, x1: int, y1: int, value: float = 0.9) -> Answer:
    """The refiner says that all of a box belongs to the object."""
    foreground = np.full((8, 8), value, dtype=np.float32)
    return Answer(foreground=foreground, box=(x0, y0, x1, y1), score=0.7, compat="fixed")


def finished(
    rough: list[bytes | None], answers: list[Answer | None], points: list[tuple[float, float]]
) -> dict[str, Any]:
    return finish_row(
        {
            "height": SIZE[0],
            "width": SIZE[1],
            "x": [x for x, _ in points],
            "y": [y for _, y in points],
            "rough": rough,
            "maskness": [0.6] * len(rough),
            "answers": answers,
        }
    )


def test_an_answer_is_pasted_into_its_box() -> None:
    row = finished([box(10, 10, 20, 20)], [answer(10, 5, 20, 20)], [(12.5, 12.5)])
    refined = decode(row["refined"][0], *SIZE)
    assert refined[5:20, 10:20].all() and refined.sum() == 150 == row["area"][0]
    assert row["refined_score"] == [0.7]
    np.testing.assert_allclose(row["agreement"], [100 / 150])


def test_without_an_answer_the_rough_mask_stays() -> None:
    nothing = answer(10, 10, 20, 20, value=0.1)
    row = finished([box(1, 1, 5, 5), None, box(1, 1, 9, 9)], [None, None, nothing], [(2, 2)] * 3)
    assert row["refined"] == row["rough"]
    assert row["refined_score"] == [0.6, 0.6, 0.7]
    assert row["agreement"] == [1, 0, 1]


def test_points_are_looked_for_in_the_masks() -> None:
    masks: list[bytes | None] = [box(10, 10, 20, 20)] * 4
    points = [(10.0, 10.0), (19.9, 19.9), (20.0, 15.0), (9.9, 15.0)]
    row = finished(masks, [None] * 4, points)
    assert row["point_inside"] == [True, True, False, False]


def test_flags() -> None:
    masks = [None, box(0, 0, 60, 40), box(3, 3, 9, 9), box(3, 3, 9, 9), box(30, 3, 39, 9)]
    points = [(50.0, 30.0), (50.0, 30.0), (5.0, 5.0), (6.0, 6.0), (1.0, 1.0)]
    row = finished(masks, [None] * 5, points)
    assert row["flags"] == [
        ["empty"],
        ["whole image"],
        ["duplicate"],
        ["duplicate"],
        ["point outside"],
    ]
