import numpy as np
import pytest

from ray_wssis.instance.fingerprint.measured import measure
from ray_wssis.instance.fingerprint.upright import Sign, compare_pixels, has_no_up, per_image, sign
from tests.support.squares import image_of, records_of

NAMES = ["dog", "cat"]
EMPTY = records_of()
SMALL = Sign(name="objects lie higher", mean=0.001, error=0.002, limit=0.03)


def squares(number: int) -> list[tuple[int, int, int]]:
    return [(20 + 5 * number, 30, 10), (60, 60, 12)]


def test_few_images_tell_nothing() -> None:
    measured = measure(records_of(image_of(1, squares(0))), EMPTY)
    may, why = has_no_up([SMALL], measured, NAMES)
    assert not may
    assert why == "1 images with masks are too few to tell whether they have an up"


def test_all_signs_must_be_known_to_be_small() -> None:
    measured = measure(records_of(*(image_of(i, squares(i % 5)) for i in range(1, 13))), EMPTY)
    assert has_no_up([SMALL], measured, NAMES) == (
        True,
        "no sign of an up in 12 images; the largest: objects lie higher (+0.00 +- 0.00)",
    )
    unsure = Sign(name="objects stand or lie", mean=0.02, error=0.2, limit=0.15)
    may, why = has_no_up([SMALL, unsure], measured, NAMES)
    assert not may
    assert why == "images seem to have an up: perhaps objects stand or lie (+0.02 +- 0.40)"


def test_the_unit_of_chance_is_an_image() -> None:
    values, image = np.array([1.0, 3.0, np.nan, 5.0]), np.array([0, 0, 0, 7])
    assert per_image(values, image).tolist() == [2, 5]
    assert sign("", [2.0, 5.0, np.nan], 1).mean == 3.5
    assert sign("", [2.0], 1).error == np.inf


def test_lines_and_skies_are_seen_in_pixels() -> None:
    lines = np.zeros((64, 64, 3), np.uint8)
    lines[:, ::2] = 255
    assert compare_pixels(lines)[0] == pytest.approx(1, abs=1e-3)
    sky = np.zeros((64, 64, 3), np.uint8)
    sky[:32] = 200
    across, brighter = compare_pixels(sky)
    assert across == pytest.approx(-1, abs=1e-3)
    assert brighter == pytest.approx(2, abs=0.05)
