"""Tests of ray_wssis.data.points.draw."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ray_wssis import masks
from ray_wssis.data.points.draw import draw_point, with_points
from ray_wssis.data.points.kind import PointKind
from ray_wssis.data.records import Object, Record

SOME_MASK = st.tuples(st.integers(1, 16), st.integers(1, 16)).flatmap(
    lambda shape: arrays(np.bool_, shape).filter(lambda mask: bool(mask.any()))
)


def point_of(
    mask: masks.Mask, kind: str, seed: int = 0, annotation_id: int = 1
) -> tuple[float, float]:
    counts = masks.encode(mask)
    return draw_point(counts, *mask.shape, kind=kind, seed=seed, annotation_id=annotation_id)


def donut() -> masks.Mask:
    y, x = np.mgrid[:21, :21] - 10
    return np.asarray((x**2 + y**2 <= 100) & (x**2 + y**2 >= 25))


@given(SOME_MASK, st.sampled_from(["random", "center"]), st.integers(0, 9))
def test_random_and_center_are_pixel_centres_of_the_mask(
    mask: masks.Mask, kind: str, seed: int
) -> None:
    x, y = point_of(mask, kind, seed)
    assert mask[int(y), int(x)]
    assert x % 1 == y % 1 == 0.5


@given(SOME_MASK)
def test_the_centroid_is_the_mean_of_the_pixel_centres(mask: masks.Mask) -> None:
    rows, columns = np.nonzero(mask)
    expected = (columns + 0.5).mean(), (rows + 0.5).mean()
    assert point_of(mask, "centroid") == pytest.approx(expected)


@given(SOME_MASK)
def test_no_pixel_is_farther_from_the_outline_than_the_center(mask: masks.Mask) -> None:
    framed = np.pad(mask, 1)
    inside, outside = np.argwhere(framed), np.argwhere(~framed)
    squared = ((inside[:, None] - outside[None]) ** 2).sum(-1).min(1)
    x, y = point_of(mask, "center")
    here = (inside == [int(y) + 1, int(x) + 1]).all(1)
    assert squared[here] == squared.max()


def test_the_centroid_of_a_ring_is_in_its_hole_and_the_other_kinds_are_not() -> None:
    assert point_of(donut(), "centroid") == (10.5, 10.5)
    assert not donut()[10, 10]
    x, y = point_of(donut(), "center")
    assert donut()[int(y), int(x)]


def test_the_center_of_a_long_bar_is_in_its_middle() -> None:
    mask = np.zeros((9, 40), bool)
    mask[2:7, 3:36] = True
    assert point_of(mask, "center") == (19.5, 4.5)


def test_an_object_of_one_pixel_has_one_point() -> None:
    mask = np.zeros((5, 6), bool)
    mask[3, 2] = True
    assert {point_of(mask, kind) for kind in PointKind} == {(2.5, 3.5)}


def test_random_points_are_uniform_and_depend_on_seed_and_id_alone() -> None:
    mask = np.zeros((4, 4), bool)
    mask[1, 1:3] = mask[3, 3] = True
    drawn = Counter(point_of(mask, "random", 0, i) for i in range(600))
    assert len(drawn) == 3
    assert min(drawn.values()) > 150
    assert point_of(mask, "random", 0, 5) == point_of(mask, "random", 0, 5)
    assert [point_of(mask, "random", 1, i) for i in range(20)] != [
        point_of(mask, "random", 0, i) for i in range(20)
    ]


@pytest.mark.parametrize("kind", list(PointKind))
def test_an_empty_mask_has_no_point(kind: str) -> None:
    with pytest.raises(ValueError, match="empty"):
        point_of(np.zeros((3, 3), bool), kind)


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="corner"):
        point_of(np.ones((3, 3), bool), "corner")


def test_points_that_are_known_stay_and_crowds_get_none() -> None:
    counts = masks.encode(np.ones((2, 2), bool))
    record = Record(
        image_id=1,
        file="a.png",
        width=2,
        height=2,
        objects=(
            Object(annotation_id=1, label=0, mask=counts),
            Object(annotation_id=2, label=0, mask=counts, point=(0.25, 0.5)),
            Object(annotation_id=3, label=0, mask=counts, crowd=True),
            Object(annotation_id=4, label=0, point=(1.0, 1.0)),
        ),
    )
    pointed = with_points(record, "centroid", 0)
    assert [obj.point for obj in pointed.objects] == [(1.0, 1.0), (0.25, 0.5), None, (1.0, 1.0)]
    assert [obj.mask for obj in pointed.objects] == [obj.mask for obj in record.objects]
