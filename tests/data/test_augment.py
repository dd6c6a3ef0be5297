import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import ValidationError

from ray_wssis.data.augment import Geometry, change_colour, draw_geometry
from ray_wssis.data.augment_config import AugmentConfig

SEEDS = range(12)


def rectangle(height: int, width: int) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """An image that is white where the mask is set, off the middle and of no symmetry."""
    mask = np.zeros((height, width), bool)
    mask[height // 8 : height // 2, width // 4 : 3 * width // 4] = True
    mask[height // 4 : 3 * height // 4, width // 4 : width // 3] = True
    return np.repeat(mask[:, :, None] * np.uint8(255), 3, axis=2), mask


@pytest.mark.parametrize("size", [(60, 90), (90, 60), (301, 203)])
@pytest.mark.parametrize("turn", [False, True])
def test_image_and_mask_move_together(size: tuple[int, int], turn: bool) -> None:
    image, mask = rectangle(*size)
    config = AugmentConfig(shorter=(64, 100, 150), longest=200, turn=turn, min_crop=0.6)
    shapes = set()
    for seed in SEEDS:
        geometry = draw_geometry(*size, config, np.random.default_rng(seed))
        moved, seen = geometry.image(image), geometry.mask(mask)
        assert moved.shape == (*seen.shape, 3) == (geometry.height, geometry.width, 3)
        assert moved.dtype == seen.dtype == np.uint8
        assert set(np.unique(seen)) <= {0, 1}
        white = moved[:, :, 0] > 127
        union, overlap = (white | (seen > 0)).sum(), (white & (seen > 0)).sum()
        assert overlap / union > 0.97
        shapes.add(seen.shape)
    assert len(shapes) >= 3


@pytest.mark.parametrize("side", [37, 50, 120, 163])
def test_a_resized_mask_is_not_shifted(side: int) -> None:
    """The mass centre of a square in the middle stays in the middle."""
    mask = np.zeros((100, 100), bool)
    mask[30:70, 30:70] = True
    geometry = Geometry(
        left=0, top=0, right=100, bottom=100, quarter_turns=0, flip=False, height=side, width=side
    )
    rows, columns = np.nonzero(geometry.mask(mask))
    for centre in (rows.mean() + 0.5, columns.mean() + 0.5):
        assert abs(centre - side / 2) < 0.26


def test_crop_quarter_turns_and_flip_are_done_in_this_order() -> None:
    numbers = np.arange(30, dtype=np.uint8).reshape(5, 6)
    geometry = Geometry(
        left=1, top=2, right=4, bottom=4, quarter_turns=1, flip=True, height=3, width=2
    )
    # cropped: 13 14 15 / 19 20 21; turned to the left: 15 21 / 14 20 / 13 19; then flipped
    np.testing.assert_array_equal(geometry.move(numbers), [[21, 15], [20, 14], [19, 13]])


def test_a_crop_keeps_the_smallest_share_and_lies_inside() -> None:
    config = AugmentConfig(shorter=(64,), min_crop=0.5)
    for seed in SEEDS:
        found = draw_geometry(80, 120, config, np.random.default_rng(seed))
        assert 0 <= found.left < found.right <= 120 and 0 <= found.top < found.bottom <= 80
        assert found.right - found.left >= 60 and found.bottom - found.top >= 40


def test_without_crop_turn_and_flip_only_the_size_changes() -> None:
    config = AugmentConfig(shorter=(40,), longest=50, flip=False)
    found = draw_geometry(80, 120, config, np.random.default_rng(0))
    assert found == Geometry(
        left=0, top=0, right=120, bottom=80, quarter_turns=0, flip=False, height=33, width=50
    )


def test_half_of_the_images_are_flipped_and_all_turns_occur() -> None:
    config = AugmentConfig(shorter=(40,), turn=True)
    rng = np.random.default_rng(0)
    found = [draw_geometry(80, 120, config, rng) for _ in range(200)]
    assert 70 < sum(geometry.flip for geometry in found) < 130
    assert {geometry.quarter_turns for geometry in found} == {0, 1, 2, 3}


def test_an_image_of_one_pixel_survives() -> None:
    config = AugmentConfig(shorter=(32,), longest=64, min_crop=0.1)
    geometry = draw_geometry(1, 1, config, np.random.default_rng(0))
    assert geometry.mask(np.ones((1, 1), bool)).all()
    assert geometry.image(np.zeros((1, 1, 3), np.uint8)).shape == (32, 32, 3)


def test_colour_changes_values_but_not_shapes_and_only_when_asked() -> None:
    image = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    assert change_colour(image, 0, np.random.default_rng(0)) is image
    changed = change_colour(image, 0.5, np.random.default_rng(0))
    assert changed.shape == image.shape and changed.dtype == np.uint8
    assert not np.array_equal(changed, image)
    for channel in range(3):  # brighter stays brighter: a curve for each channel
        order = np.argsort(image[..., channel], axis=None, kind="stable")
        assert (np.diff(changed[..., channel].ravel()[order].astype(int)) >= 0).all()


@pytest.mark.parametrize("wrong", [{"min_crop": 0}, {"min_crop": 1.5}, {"colour": -0.1}])
def test_shares_outside_their_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        AugmentConfig.model_validate(wrong)
