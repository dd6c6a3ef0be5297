"""Tests of ray_wssis.data.sparse.strokes."""

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from math import hypot

import numpy as np
import pytest

from ray_wssis.data.builtin.semantic_shapes import draw_image
from ray_wssis.data.sparse.strokes import (
    SHORTEST,
    Region,
    depths,
    draw_clicks,
    draw_points,
    draw_strokes,
)


def dice() -> np.random.Generator:
    return np.random.default_rng(0)


def region_of(*rows: str) -> Region:
    return np.array([[letter == "x" for letter in row] for row in rows])


TWO = region_of(
    "xxxxxx...",
    "xxxxxx.xx",
    "xxxxxx.xx",
    "xxxxxx...",
    "xxxxxx...",
)


def part_of(region: Region, x: int, y: int) -> set[tuple[int, int]]:
    """Flood a connected region from one of its pixels."""
    seen, waiting = {(x, y)}, deque([(x, y)])
    while waiting:
        left, top = waiting.popleft()
        for a, b in ((left - 1, top), (left + 1, top), (left, top - 1), (left, top + 1)):
            inside = 0 <= b < region.shape[0] and 0 <= a < region.shape[1] and region[b, a]
            if inside and (a, b) not in seen:
                seen.add((a, b))
                waiting.append((a, b))
    return seen


def test_depth_is_the_distance_to_the_nearest_pixel_outside() -> None:
    region = np.random.default_rng(1).random((7, 9)) < 0.8
    outside = np.argwhere(~np.pad(region, 1)) - 1
    for y, x in np.argwhere(np.ones_like(region)).tolist():
        nearest = min(hypot(y - b, x - a) for b, a in outside.tolist())
        assert depths(region)[y, x] == pytest.approx(nearest, abs=1e-12)


def test_threads_that_measure_at_once_agree_to_the_last_digit() -> None:
    region = draw_image(6, 0, 64)[1] == 0
    with ThreadPoolExecutor(8) as pool:
        seen = set(pool.map(lambda _: depths(region).tobytes(), range(600)))
    assert len(seen) == 1


def test_points_are_distinct_pixels_of_the_class_and_fewer_are_the_first_of_more() -> None:
    drawn = draw_points(TWO, 7, dice())
    assert len({tuple(point) for point in drawn}) == 7
    assert all(TWO[int(y), int(x)] for ((x, y),) in drawn)
    assert draw_points(TWO, 3, dice()) == drawn[:3]


def test_each_pixel_has_the_same_chance_to_be_a_point() -> None:
    region, rng = region_of("xx", ".x"), dice()
    drawn = [draw_points(region, 1, rng)[0][0] for _ in range(600)]
    assert all(160 < drawn.count(place) < 240 for place in [(0.5, 0.5), (1.5, 0.5), (1.5, 1.5)])


def test_a_class_with_few_pixels_has_all_of_them_as_points() -> None:
    for draw in (draw_points, draw_clicks):
        drawn = draw(region_of("x..", "..x"), 5, dice())
        assert sorted(drawn) == [[(0.5, 0.5)], [(2.5, 1.5)]]


def test_clicks_take_turns_among_regions_and_stay_inside() -> None:
    clicks = [click for (click,) in draw_clicks(TWO, 6, dice())]
    assert [x < 6 for x, _ in clicks] == [True, False, True, False, True, False]
    assert len(set(clicks)) == 6
    assert all(depths(TWO)[int(y), int(x)] >= 1.5 for x, y in clicks if x < 6)
    assert draw_clicks(TWO, 1, dice())[0] == [clicks[0]]
    assert [click for (click,) in draw_clicks(TWO, 4, dice())] == clicks[:4]


def test_the_outer_half_of_a_region_is_clicked_last() -> None:
    region = np.ones((5, 5), bool)
    clicks = [click for (click,) in draw_clicks(region, 25, dice())]
    deep = [float(depths(region)[int(y), int(x)]) for x, y in clicks]
    assert min(deep[:9]) >= 1.5 > max(deep[9:])


@pytest.mark.parametrize("radius", [0.5, 1.5, 3.0])
def test_strokes_walk_inside_one_region(radius: float) -> None:
    rows, columns = np.mgrid[:40, :60]
    ring = np.abs(np.hypot(rows - 20, columns - 20) - 12) < 5
    region = ring | ((columns > 42) & (rows > 5))
    for stroke in draw_strokes(region, 4, radius, dice()):
        part = part_of(region, int(stroke[0][0]), int(stroke[0][1]))
        assert all((int(x), int(y)) in part for x, y in stroke)
        for (x, y), (to_x, to_y) in pairwise(stroke):
            step = hypot(to_x - x, to_y - y)
            free = max(depths(region)[int(b), int(a)] for a, b in ((x, y), (to_x, to_y)))
            assert step <= max(SHORTEST, free - radius - 1) + 1e-6


def test_a_stroke_is_about_as_long_as_its_region() -> None:
    region = np.zeros((30, 80), bool)
    region[5:25, 5:75] = True
    ((*path,),) = draw_strokes(region, 1, 1.5, dice())
    length = sum(hypot(c - a, d - b) for (a, b), (c, d) in pairwise(path))
    assert hypot(70, 20) / 2 < length < hypot(70, 20) * 1.2


def test_a_region_of_one_pixel_is_a_stroke_of_one_pixel() -> None:
    assert draw_strokes(region_of("...", ".x."), 3, 1.5, dice()) == [[(1.5, 1.5)]]
