import numpy as np

from ray_wssis.data.records import Click, Object, Point
from ray_wssis.methods.sam.prompts import Chosen, choose, chunks, expectations, prompts_of


def pointed(*points: Point, clicks: tuple[Click, ...] = ()) -> tuple[Object, ...]:
    """Objects at these points; the first one has the clicks."""
    return tuple(
        Object(annotation_id=i, label=0, point=point, clicks=() if i else clicks)
        for i, point in enumerate(points)
    )


def test_the_nearest_points_of_others_say_no() -> None:
    first, *_ = prompts_of(pointed((10, 10), (50, 10), (20, 10), (10, 90)), negatives=2)
    assert first.points == ((10, 10), (20, 10), (50, 10))
    assert first.positive == (True, False, False)


def test_a_prompt_does_not_depend_on_the_order_of_the_objects() -> None:
    points = [(10.0, 10.0), (20.0, 10.0), (0.0, 10.0), (10.0, 20.0), (10.0, 0.0)]
    prompts = {p.points[0]: p for p in prompts_of(pointed(*points), 2)}
    assert prompts == {p.points[0]: p for p in prompts_of(pointed(*points[::-1]), 2)}


def test_a_second_object_in_the_same_place_does_not_say_no() -> None:
    objects = pointed((10, 10), (10.4, 10), (30, 10))
    assert prompts_of(objects, 2)[0].points == ((10, 10), (30, 10))
    assert expectations(objects)[1].tolist() == [[1, 0, -1], [0, 1, -1], [-1, -1, 1]]


def test_clicks_of_a_person_come_before_the_points_of_others() -> None:
    objects = pointed((5, 5), (9, 9), clicks=(Click(6, 6, True), Click(7, 7, False)))
    prompt = prompts_of(objects, 2)[0]
    assert prompt.points == ((5, 5), (6, 6), (7, 7), (9, 9))
    assert prompt.positive == (True, True, False, False)
    points, expected = expectations(objects)
    assert points == [(5, 5), (6, 6), (7, 7), (9, 9)]
    assert expected.tolist() == [[1, 1, -1, -1], [-1, -1, 0, 1]]


def test_a_chunk_holds_prompts_of_equally_many_clicks() -> None:
    objects = pointed((5, 5), (9, 9), (50, 50), (80, 5), clicks=(Click(6, 6, True),))
    assert list(chunks(prompts_of(objects, 1), size=2)) == [[0], [1, 2], [3]]
    assert list(chunks([])) == []


IOUS = np.array([0.9, 0.8, 0.7], np.float32)
NONE = np.zeros(3, bool)


def chosen(covers: list[list[int]], expected: list[int], empty: list[int] | None = None) -> object:
    marks = NONE if empty is None else np.array(empty, bool)
    return choose(IOUS, np.array(covers, bool), np.array(expected, np.int8), marks)


def test_the_network_chooses_where_the_points_agree() -> None:
    found = chosen([[1, 0]] * 3, [1, -1])
    assert isinstance(found, Chosen) and found.place == 0
    np.testing.assert_allclose(found.margin, 0.1, atol=1e-6)


def test_a_candidate_over_several_objects_or_beside_its_point_is_worth_less() -> None:
    assert isinstance(found := chosen([[1, 1], [0, 0], [1, 0]], [1, -1]), Chosen)
    assert found.place == 2


def test_an_empty_candidate_is_never_chosen() -> None:
    assert isinstance(found := chosen([[0], [0], [0]], [1], [1, 0, 1]), Chosen)
    assert found.place == 1 and found.margin > 0
    assert chosen([[0], [0], [0]], [1], [1, 1, 1]) is None
