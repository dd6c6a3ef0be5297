"""Objects pasted from one image into another: pixels and masks go together."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ray_wssis.data.augment_config import AugmentConfig
from ray_wssis.data.records import Category, Object, Record, Records
from ray_wssis.instance.copy_paste import chosen_masks, draw_overlap, paste_pixels
from ray_wssis.instance.samples import SegmenterSamples
from ray_wssis.masks import encode

CATEGORIES = (Category(id=1, name="dark"), Category(id=2, name="light"))
PLAIN = AugmentConfig(shorter=(64,), longest=64, flip=False)
ALWAYS = PLAIN.model_copy(update={"paste": 1.0})


def half(left: bool) -> np.ndarray:
    """A mask of the left or the right half of an image."""
    mask = np.zeros((64, 64), bool)
    mask[:, :32] = left
    mask[:, 32:] = not left
    return mask


@pytest.fixture
def records(tmp_path: Path) -> Records:
    """Two images: all dark with an object in its left half, all light with one in its right."""
    made = []
    for label, (shade, left) in enumerate(((40, True), (220, False))):
        file = tmp_path / f"{label}.png"
        Image.fromarray(np.full((64, 64, 3), shade, np.uint8)).save(file)
        obj = Object(annotation_id=label + 1, label=label, mask=encode(half(left)))
        made.append(Record(image_id=label + 1, file=str(file), width=64, height=64, objects=(obj,)))
    return Records.from_rows(made, CATEGORIES)


@pytest.mark.parametrize("seed", range(5))
def test_an_overlap_lies_in_both_images(seed: int) -> None:
    overlap = draw_overlap((40, 70), (50, 60), np.random.default_rng(seed))
    for slices, size in ((overlap.here, (40, 70)), (overlap.there, (50, 60))):
        assert [part.stop - part.start for part in slices] == [40, 60]
        assert all(
            part.start >= 0 and part.stop <= side for part, side in zip(slices, size, strict=True)
        )


def test_pixels_and_masks_move_by_the_same_overlap() -> None:
    rng = np.random.default_rng(1)
    other = rng.integers(0, 255, (50, 60, 3)).astype(np.uint8)
    image, mask = np.zeros((40, 70, 3), np.uint8), (other[..., 0] > 128).astype(np.uint8)
    overlap = draw_overlap((40, 70), (50, 60), rng)
    masks = [(label, mask) for label in range(20)]
    chosen = dict(chosen_masks(masks, overlap, (40, 70), rng))
    assert 0 < len(chosen) < 20  # some of the objects
    placed = next(iter(chosen.values()))
    pasted = paste_pixels(image, other, overlap, placed > 0)
    assert (pasted[placed > 0][:, 0] > 128).all()
    assert not pasted[placed == 0].any()
    assert not image.any()  # the image itself, which may be kept for later, stays


def test_what_is_covered_is_not_there_any_more(records: Records) -> None:
    samples, seen = SegmenterSamples(records, ALWAYS), set()
    for seed in range(40):
        sample = samples.sample(0, np.random.default_rng(seed))
        light = sample.image[..., 0] > 128
        covered = sum(
            mask.sum()
            for label, mask in zip(sample.labels, sample.masks, strict=True)
            if label == 1
        )
        assert light.sum() == 16 * covered  # masks are of a quarter of the size
        for first, mask in enumerate(sample.masks):
            for other in sample.masks[first + 1 :]:
                assert not (mask & other).any()
        seen.add(tuple(sample.labels))
    assert {(0,), (0, 1)} <= seen


def test_nothing_is_pasted_unless_asked(records: Records) -> None:
    for seed in range(5):
        sample = SegmenterSamples(records, PLAIN).sample(0, np.random.default_rng(seed))
        assert (sample.image == 40).all()
        assert sample.labels == [0]
