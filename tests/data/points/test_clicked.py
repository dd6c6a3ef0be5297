"""Tests of ray_wssis.data.points.clicked."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ray_wssis import masks
from ray_wssis.data.points.clicked import (
    click_depths,
    depth_map,
    depth_of,
    point_at,
    with_clicked_points,
)
from ray_wssis.data.records import Category, Object, Point, Record, Records

SOME_MASK = st.tuples(st.integers(1, 12), st.integers(1, 12)).flatmap(
    lambda shape: arrays(np.bool_, shape).filter(lambda mask: bool(mask.any()))
)
WIDE, HIGH = 40, 30


def box(left: int, top: int, right: int, bottom: int) -> bytes:
    mask = np.zeros((HIGH, WIDE), bool)
    mask[top:bottom, left:right] = True
    return masks.encode(mask)


def image_of(*objects: tuple[bytes | None, Point | None]) -> Record:
    return Record(
        image_id=1,
        file="a.png",
        width=WIDE,
        height=HIGH,
        objects=tuple(
            Object(annotation_id=i, label=0, mask=mask, point=point)
            for i, (mask, point) in enumerate(objects)
        ),
    )


def slow_depths(mask: masks.Mask) -> np.ndarray:
    """Distances between all pixels of the frame and all pixels of the other kind."""
    framed = np.pad(mask, 20)
    place = np.indices(framed.shape).reshape(2, -1).T
    kind = framed.ravel()
    apart = np.sqrt(((place[:, None] - place[None]) ** 2).sum(-1))
    inside = np.where(kind, apart[:, ~kind].min(1), 0)
    beside = np.where(kind, 0, apart[:, kind].min(1))
    depths: np.ndarray = ((inside - beside) / inside.max()).reshape(framed.shape)
    return depths[20:-20, 20:-20]


@given(SOME_MASK)
def test_depths_are_those_of_all_pairs_of_pixels(mask: masks.Mask) -> None:
    depths, left, top = depth_map(masks.encode(mask), *mask.shape)
    expected = slow_depths(mask)
    near = expected[top : top + depths.shape[0], left : left + depths.shape[1]]
    assert depths == pytest.approx(near, abs=1e-4)
    beyond = np.ones(mask.shape, bool)
    beyond[top : top + depths.shape[0], left : left + depths.shape[1]] = False
    assert (expected[beyond] < -1).all()


def test_the_middle_is_1_deep_and_what_is_beside_is_negative() -> None:
    square = box(10, 10, 15, 15)
    assert depth_of((12.5, 12.5), square, HIGH, WIDE) == 1
    assert depth_of((10.5, 12.5), square, HIGH, WIDE) == pytest.approx(1 / 3)
    assert depth_of((9.5, 12.5), square, HIGH, WIDE) == pytest.approx(-1 / 3)
    assert depth_of((39.5, 29.5), square, HIGH, WIDE) == -1


@given(SOME_MASK, st.floats(-1, 1), st.integers(0, 99))
def test_no_pixel_is_nearer_to_the_wanted_depth(mask: masks.Mask, depth: float, bits: int) -> None:
    counts = masks.encode(mask)
    height, width = mask.shape
    point = point_at(depth, counts, height, width, bits)
    depths, _, _ = depth_map(counts, height, width)
    away = abs(depth_of(point, counts, height, width) - depth)
    assert away <= np.abs(depths - depth).min() + 1e-5


def test_points_lie_as_deep_as_clicks_and_clicks_stay() -> None:
    square, small = box(10, 10, 21, 21), box(30, 5, 35, 10)
    edge = (10.5, 15.5)
    clicked = image_of((square, edge), (small, None), (None, (3.5, 3.5)))
    records = Records.from_rows([clicked], [Category(id=1, name="dog")])
    depths = click_depths(records)
    assert depths == pytest.approx([1 / 6])
    first, second, third = with_clicked_points(records, depths, seed=0)[0].objects
    assert (first.point, third.point) == (edge, (3.5, 3.5))
    assert second.point is not None
    assert depth_of(second.point, small, HIGH, WIDE) == pytest.approx(1 / 3)  # its outermost pixels


def test_depths_are_drawn_as_often_as_people_clicked_there() -> None:
    square = box(5, 5, 26, 26)
    many = image_of(*[(square, None)] * 400)
    records = Records.from_rows([many], [Category(id=1, name="dog")])
    drawn = click_depths(with_clicked_points(records, np.array([0.5, 1.0, 1.0, 1.0]), seed=0))
    assert np.mean(drawn == 1.0) == pytest.approx(0.75, abs=0.06)
