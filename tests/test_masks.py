"""Tests of ray_wssis.masks."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pycocotools import mask as coco_mask

from ray_wssis import masks

ANY_MASK = st.tuples(st.integers(1, 24), st.integers(1, 24)).flatmap(
    lambda shape: arrays(np.bool_, shape)
)


def donut(size: int = 40, outer: float = 15, inner: float = 7) -> masks.Mask:
    y, x = np.mgrid[:size, :size] + 0.5
    radius = np.hypot(x - size / 2, y - size / 2)
    return np.asarray((radius <= outer) & (radius > inner))


def test_a_donut_keeps_its_hole() -> None:
    mask = donut()
    assert (masks.decode(masks.encode(mask), 40, 40) == mask).all()
    assert not masks.decode(masks.encode(mask), 40, 40)[20, 20]


@given(ANY_MASK)
def test_every_mask_survives_the_code(mask: masks.Mask) -> None:
    counts = masks.encode(mask)
    assert (masks.decode(counts, *mask.shape) == mask).all()
    assert masks.checked(counts, *mask.shape) == counts
    assert masks.area(counts, *mask.shape) == mask.sum()


@given(ANY_MASK)
def test_runs_and_pixels_are_those_of_the_mask(mask: masks.Mask) -> None:
    counts = masks.encode(mask)
    runs = masks.run_lengths(counts)
    unwrapped = np.repeat(np.arange(runs.size) % 2, runs).astype(bool)
    assert (unwrapped == mask.flatten(order="F")).all()
    column, row = masks.pixels(counts, mask.shape[0])
    expected_column, expected_row = np.nonzero(mask.T)
    assert column.tolist() == expected_column.tolist()
    assert row.tolist() == expected_row.tolist()


@given(st.lists(st.integers(0, 3_000_000), min_size=1, max_size=12))
def test_long_runs_are_read_like_pycocotools_writes_them(lengths: list[int]) -> None:
    total = sum(lengths)
    counts = coco_mask.frPyObjects({"size": [total, 1], "counts": lengths}, total, 1)["counts"]
    assert masks.run_lengths(counts).tolist() == lengths


def test_the_box_ends_after_the_last_pixel() -> None:
    mask = np.zeros((5, 7), bool)
    mask[1:3, 2:6] = True
    assert masks.bounding_box(masks.encode(mask), 5, 7) == (2, 1, 6, 3)
    assert masks.bounding_box(masks.encode(mask & False), 5, 7) == (0, 0, 0, 0)


def test_the_centroid_of_one_pixel_is_its_centre() -> None:
    mask = np.zeros((5, 7), bool)
    mask[3, 4] = True
    assert masks.centroid(masks.encode(mask), 5, 7) == (4.5, 3.5)


def test_the_centroid_of_nothing_is_an_error() -> None:
    with pytest.raises(ValueError, match="no centroid"):
        masks.centroid(masks.encode(np.zeros((3, 3), bool)), 3, 3)


def test_iou_counts_shared_pixels() -> None:
    left, right = np.zeros((4, 4), bool), np.zeros((4, 4), bool)
    left[:, :2], right[:, 1:3] = True, True
    a, b, none = masks.encode(left), masks.encode(right), masks.encode(left & False)
    assert masks.iou(a, b, 4, 4) == pytest.approx(4 / 12)
    assert masks.iou(none, none, 4, 4) == 0
    assert masks.pairwise_iou([a, none], [a, b, none], 4, 4) == pytest.approx(
        np.array([[1, 4 / 12, 0], [0, 0, 0]])
    )
    assert masks.pairwise_iou([], [a], 4, 4).shape == (0, 1)


def test_polygons_are_joined() -> None:
    counts = masks.from_polygons([[0, 0, 2, 0, 2, 2, 0, 2], [4, 4, 6, 4, 6, 6, 4, 6]], 8, 8)
    mask = masks.decode(counts, 8, 8)
    assert mask[:2, :2].all() and mask[4:6, 4:6].all() and mask.sum() == 8


def test_a_tiny_outline_is_the_pixel_it_lies_in() -> None:
    counts = masks.from_polygons([[3.6, 2.6, 3.7, 2.6, 3.7, 2.7]], 8, 8)
    assert np.argwhere(masks.decode(counts, 8, 8)).tolist() == [[2, 3]]


def test_a_part_of_two_corners_adds_nothing() -> None:
    square = [0.0, 0, 2, 0, 2, 2, 0, 2]
    assert masks.from_polygons([square, [4, 4, 7, 7]], 8, 8) == masks.from_polygons([square], 8, 8)


@pytest.mark.parametrize(
    ("polygons", "complaint"),
    [
        ([[1, 2, 3, 4]], "three corners"),
        ([[1, 2, 3, 4, 5, 6, 7]], "7 numbers"),
        ([[1, 2, 3, float("nan"), 5, 6]], "nan"),
        ([[0, 0, 1e9, 0, 0, 1e9]], "coordinate 1000000000"),
        ([[0, 0, 9, 0, 0, -(10**400)]], "coordinate -1000000000"),
        ([[1, 2, 3, "4", 5, 6]], "'4'"),
        ([7], "list of numbers"),
    ],
)
def test_a_malformed_polygon_is_explained(polygons: list[list[float]], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        masks.from_polygons(polygons, 8, 8)


def test_plain_run_lengths_give_the_same_counts() -> None:
    mask = np.zeros((2, 3), bool)
    mask[1, 0] = mask[0, 1] = True
    assert masks.from_uncompressed([1, 2, 3], 2, 3) == masks.encode(mask)


@pytest.mark.parametrize(
    ("lengths", "complaint"),
    [
        ([1, 2], "cover 3 pixels.*2 x 3 = 6"),
        ([7, -1], "-1 pixels"),
        ([1.5, 4.5], "whole numbers"),
        ([[6]], "whole numbers"),
    ],
)
def test_malformed_run_lengths_are_explained(lengths: list[int], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        masks.from_uncompressed(lengths, 2, 3)


@settings(max_examples=300)
@given(st.binary(max_size=30))
def test_bytes_that_pass_the_check_are_a_mask(counts: bytes) -> None:
    try:
        masks.checked(counts, 4, 4)
    except ValueError:
        return
    assert masks.decode(counts, 4, 4).shape == (4, 4)


def test_counts_of_another_image_are_refused() -> None:
    counts = masks.encode(donut())
    with pytest.raises(ValueError, match="cover 1600 pixels"):
        masks.checked(counts, 40, 41)


def test_a_mask_has_two_axes() -> None:
    with pytest.raises(ValueError, match="two axes"):
        masks.encode(np.zeros((1, 4, 4), bool))


@given(st.binary(max_size=16))
def test_the_complement_is_everything_else(seed: bytes) -> None:
    mask = np.array([byte % 2 for byte in seed.ljust(16, b"\0")], bool).reshape(4, 4)
    counts = masks.encode(mask)
    rest = masks.complement(counts, 4, 4)
    assert (masks.decode(rest, 4, 4) == ~mask).all()
    assert masks.complement(rest, 4, 4) == counts


def test_overlap_counts_the_pixels_of_both() -> None:
    mask, other = np.zeros((2, 4, 4), bool)
    mask[1:3, 1:4] = True
    other[:, 2:] = True
    first, second = masks.encode(mask), masks.encode(other)
    assert masks.overlap(first, second, 4, 4) == 4
    assert masks.overlap(first, masks.complement(second, 4, 4), 4, 4) == 2
