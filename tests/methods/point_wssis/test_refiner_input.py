import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ray_wssis.masks import Box, decode, encode, encode_in_box
from ray_wssis.methods.point_wssis.refined_mask import paste
from ray_wssis.methods.point_wssis.refiner_input import (
    Point,
    build_input,
    crop_box,
    crop_box_as_published,
    mask_in_box,
    point_as_published,
)
from ray_wssis.models.mask_refine_net_config import MaskRefineNetConfig

CONFIG = MaskRefineNetConfig(crop_size=64)


def box_mask(height: int, width: int, x0: int, y0: int, x1: int, y1: int) -> bytes:
    mask = np.zeros((height, width), dtype=bool)
    mask[y0:y1, x0:x1] = True
    return encode(mask)


def test_the_crop_is_the_masks_extent_times_the_scale() -> None:
    assert crop_box((40, 50, 60, 90), (50, 70), 200, 200, 2.0, 16) == (30, 30, 70, 110)
    assert crop_box((40, 50, 60, 90), (50, 70), 200, 200, 1.0, 16) == (40, 50, 60, 90)


def test_the_crop_is_clipped_to_the_image() -> None:
    assert crop_box((0, 50, 60, 90), (50, 70), 100, 80, 2.0, 16) == (0, 30, 80, 100)


def test_a_crop_reaches_half_a_crop_beyond_a_point_outside() -> None:
    assert crop_box((40, 40, 60, 60), (90, 50), 200, 200, 2.0, 16) == (30, 30, 110, 70)
    assert crop_box((40, 40, 60, 60), (50, 10), 200, 200, 2.0, 16) == (30, 0, 70, 70)


def test_a_mask_of_one_pixel_gets_a_crop_of_the_smallest_side() -> None:
    assert crop_box((50, 50, 51, 51), (50.5, 50.5), 200, 200, 2.0, 16) == (42, 42, 59, 59)
    assert crop_box((0, 0, 1, 1), (0.5, 0.5), 3, 3, 2.0, 16) == (0, 0, 3, 3)


def test_the_published_crop_is_measured_between_pixels_and_cut_off() -> None:
    def crop(extent: Box, point: Point) -> Box:
        return crop_box_as_published(extent, point, 200, 200, 2.0)

    assert crop((40, 50, 60, 90), (50, 70)) == (30, 30, 69, 109)  # 49.5 -+ 19, 69.5 -+ 39
    assert crop((40, 40, 60, 60), (90, 50)) == (30, 30, 110, 69)  # 90 + 19 and its pixel
    assert crop((40, 40, 60, 60), (49, 10)) == (30, 0, 69, 69)
    assert crop((0, 0, 200, 200), (0, 0)) == (0, 0, 200, 200)
    assert crop((50, 50, 51, 51), (50, 50)) == (50, 50, 51, 51)  # a pixel stays a pixel


def test_a_published_point_is_a_whole_number_of_ten_thousandths() -> None:
    assert point_as_published((100.5, 50.5), 200, 400) == (100, 50)
    assert point_as_published((33.77, 0.1), 200, 400) == pytest.approx((33.24, 0))  # 831 of them


def test_reference_crops_are_the_published_ones() -> None:
    image = np.zeros((100, 200, 3), dtype=np.uint8)
    rough = box_mask(100, 200, 80, 40, 120, 60)
    config = CONFIG.model_copy(update={"compat": "reference"})
    crop = build_input(image, rough, (110.5, 45.5), 3, scale=2.0, config=config)
    assert crop.box == (60, 30, 139, 69)
    assert crop.point == pytest.approx(((110 - 60) * 64 / 79, (45 - 30) * 64 / 39))


def test_the_input_shows_the_crop_stretched_to_a_square() -> None:
    image = np.zeros((100, 200, 3), dtype=np.uint8)
    image[40:60, 80:120] = (255, 128, 0)  # the object, and nothing else
    rough = box_mask(100, 200, 80, 40, 120, 60)
    crop = build_input(image, rough, (110.0, 45.0), 3, scale=2.0, config=CONFIG)
    assert crop.box == (60, 30, 140, 70)
    assert crop.rgb.shape == (64, 64, 3)
    assert crop.rough.dtype == np.uint8
    assert crop.label == 3
    expected = np.zeros((64, 64), dtype=np.uint8)
    expected[16:48, 16:48] = 1
    np.testing.assert_array_equal(crop.rough, expected)
    np.testing.assert_array_equal(crop.rgb[20:44, 20:44], np.full((24, 24, 3), (255, 128, 0)))
    assert crop.point == ((110 - 60) * 64 / 80, (45 - 30) * 64 / 40)


def test_an_empty_rough_mask_is_refused() -> None:
    image = np.zeros((10, 10, 3), dtype=np.uint8)
    with pytest.raises(ValueError, match="is empty"):
        build_input(image, box_mask(10, 10, 0, 0, 0, 0), (5, 5), 0, scale=2.0, config=CONFIG)


def test_a_mask_comes_back_where_it_was() -> None:
    image = np.zeros((300, 400, 3), dtype=np.uint8)
    rough = box_mask(300, 400, 100, 50, 180, 250)
    crop = build_input(image, rough, (140.0, 100.0), 0, scale=1.5, config=CONFIG)
    part = paste(crop.rough.astype(np.float32), crop.box)
    back = decode(encode_in_box(part, crop.box, 300, 400), 300, 400)
    wrong = back ^ decode(rough, 300, 400)
    assert wrong.sum() < 0.06 * back.sum()  # a crop pixel is 4 pixels high


def test_a_small_crop_keeps_what_most_of_its_probability_says() -> None:
    foreground = np.zeros((64, 64), dtype=np.float32)
    foreground[:, :32] = 1
    np.testing.assert_array_equal(paste(foreground, (5, 5, 9, 7)), [[1, 1, 0, 0], [1, 1, 0, 0]])


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_encoding_a_box_equals_encoding_the_whole_image(seed: int) -> None:
    rng = np.random.default_rng(seed)
    height, width = rng.integers(1, 12, size=2)
    x0, x1 = sorted(rng.choice(width + 1, size=2, replace=False).tolist())
    y0, y1 = sorted(rng.choice(height + 1, size=2, replace=False).tolist())
    whole = np.zeros((height, width), dtype=bool)
    whole[y0:y1, x0:x1] = rng.random((y1 - y0, x1 - x0)) < rng.choice([0.0, 0.5, 0.9, 1.0])
    box = (x0, y0, x1, y1)
    counts = encode_in_box(whole[y0:y1, x0:x1], box, int(height), int(width))
    assert counts == encode(whole)
    np.testing.assert_array_equal(mask_in_box(counts, int(height), box), whole[y0:y1, x0:x1])
