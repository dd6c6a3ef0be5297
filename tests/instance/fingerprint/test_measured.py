import numpy as np
import pytest

from ray_wssis.data.points.kind import PointKind
from ray_wssis.data.split.cut import as_weak
from ray_wssis.instance.fingerprint.fingerprint import take_fingerprint
from ray_wssis.instance.fingerprint.measured import measure, quantiles
from tests.support.squares import image_of, records_of

STRONG = records_of(image_of(1, [(10, 20, 8), (50, 50, 40)]), image_of(2, [(0, 0, 10)], 50, 200))
WEAK = as_weak(records_of(image_of(3, [(30, 40, 20)] * 3)), PointKind.CENTROID, 0)


def test_masks_and_points_are_measured_in_pixels_of_their_images() -> None:
    measured = measure(STRONG, WEAK)
    assert measured.sides.tolist() == [[100, 100], [50, 200], [100, 100]]
    assert measured.masks.size.tolist() == [8, 40, 10]
    assert measured.masks.image.tolist() == [0, 0, 1]
    assert measured.masks.centre.tolist() == [[14, 24], [70, 70], [5, 5]]
    assert measured.points.image.tolist() == [2, 2, 2]
    assert measured.points.place.tolist() == [[40, 50]] * 3


def test_a_square_neither_leans_nor_has_a_top() -> None:
    masks = measure(STRONG, WEAK).masks
    assert masks.lean[:2] == pytest.approx([0, 0], abs=1e-9)
    assert masks.skew[:2] == pytest.approx([0, 0], abs=1e-9)
    assert np.isnan(masks.lean[2])  # it may go on beyond the border


def test_network_pixels_follow_the_shorter_side_up_to_the_longest() -> None:
    measured = measure(STRONG, WEAK)
    assert measured.network_sizes(200, 400) == pytest.approx([16, 80, 20])  # 2 x, 2 x, 400 / 200


def test_quantiles_of_many_sizes_are_their_own() -> None:
    sizes = np.exp(np.linspace(1, 3, 3001))
    assert quantiles(sizes, [0.25, 0.5, 0.75]) == pytest.approx(np.exp([1.5, 2, 2.5]), rel=0.02)


def test_one_size_alone_is_spread_as_usual() -> None:
    low, middle, high = quantiles(np.array([20.0]), [0.1, 0.5, 0.9])
    assert middle == pytest.approx(20)
    assert (low, high) == (pytest.approx(10, abs=1), pytest.approx(40, abs=2))


def test_the_fingerprint_counts_and_summarises() -> None:
    found = take_fingerprint(measure(STRONG, WEAK), STRONG, WEAK, STRONG)
    assert (found.num_strong, found.num_weak, found.num_validation) == (2, 1, 2)
    assert (found.num_masks, found.num_points, found.most) == (3, 3, 3)
    assert found.masks_per_class == {"cat": 0, "dog": 3}
    assert (found.shorter, found.longest) == (100, 200)
    assert ("masks, points", "3, 3") in found.rows()
