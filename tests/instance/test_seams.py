"""Instances of tiles, joined where they meet."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ray_wssis.instance.seams import Tile, joined, segment_all
from ray_wssis.instance.segmenter import Found
from ray_wssis.instance.segmenter_config import SegmenterConfig
from ray_wssis.instance.tile_config import TileConfig
from ray_wssis.masks import decode, encode, placed
from tests.support.tiny import TINY

SIZE = (60, 100)
TILES = TileConfig(size=64, overlap=0.25)


def drawn(*boxes: tuple[int, int, int, int]) -> list[NDArray[np.bool_]]:
    masks = []
    for x0, y0, x1, y1 in boxes:
        mask = np.zeros(SIZE, np.bool_)
        mask[y0:y1, x0:x1] = True
        masks.append(mask)
    return masks


def seen(masks: list[NDArray[np.bool_]], labels: list[int], scores: list[float]) -> list[Tile]:
    """What each tile shows of some masks, if it shows any of it."""
    tiles = []
    for y, x in TILES.corners(*SIZE):
        parts = [mask[y : y + 64, x : x + 64] for mask in masks]
        kept = [i for i, part in enumerate(parts) if part.any()]
        found = Found(
            labels=[labels[i] for i in kept],
            scores=[scores[i] - 0.001 * x for i in kept],
            masks=[encode(parts[i]) for i in kept],
        )
        tiles.append(Tile(corner=(y, x), size=parts[0].shape[:2], found=found))
    return tiles


def test_an_object_that_a_seam_cuts_is_one_and_whole() -> None:
    masks = drawn((5, 5, 15, 15), (30, 10, 80, 30), (85, 40, 95, 55))
    found = joined(seen(masks, [0, 1, 2], [0.5, 0.9, 0.7]), SIZE)
    assert found.labels == [1, 2, 0]
    assert found.scores == pytest.approx([0.9, 0.664, 0.5])
    for mask, i in zip(found.masks, (1, 2, 0), strict=True):
        assert np.array_equal(decode(mask, *SIZE), masks[i])


def test_neighbours_that_touch_and_objects_of_other_classes_stay_apart() -> None:
    masks = drawn((30, 10, 50, 30), (50, 10, 70, 30))
    assert len(joined(seen(masks, [1, 1], [0.9, 0.8]), SIZE).masks) == 2
    masks = drawn((30, 10, 70, 30), (31, 10, 70, 30))
    assert len(joined(seen(masks, [0, 1], [0.9, 0.8]), SIZE).masks) == 2


def test_two_objects_of_one_tile_are_never_joined() -> None:
    masks = drawn((2, 10, 12, 30), (2, 10, 12, 29))
    assert len(joined(seen(masks, [1, 1], [0.9, 0.8]), SIZE).masks) == 2


def test_nothing_in_any_tile() -> None:
    assert joined(seen([np.zeros(SIZE, np.bool_)], [0], [0.5]), SIZE).masks == []


def test_a_mask_is_placed() -> None:
    mask = np.zeros((8, 9), np.bool_)
    mask[2:5, 3:9] = True
    whole = decode(placed(encode(mask), (8, 9), (10, 20), SIZE), *SIZE)
    assert whole.sum() == 18 and whole[12:15, 23:29].all()
    empty = placed(encode(np.zeros((8, 9), np.bool_)), (8, 9), (10, 20), SIZE)
    assert not decode(empty, *SIZE).any()


class Bright:
    """Finds what is bright, as one object."""

    config = SegmenterConfig(network=TINY, shorter=64, longest=128, tile=TILES)

    def segment(self, images: list[NDArray[np.uint8]], sizes: list[Any]) -> list[Found]:
        found = []
        for image in images:
            mask = image[..., 0] > 100
            found.append(Found(labels=[0], scores=[0.5], masks=[encode(mask)]))
        return found


def test_huge_images_are_seen_by_tiles_and_others_together() -> None:
    pixels = np.zeros((64, 64, 3), np.uint8)
    wide = np.zeros((64, 120, 3), np.uint8)
    pixels[10:20, 10:20] = wide[10:20, 30:90] = 255
    sizes = [(64, 64), (64, 120), (64, 64)]
    images = [pixels, wide, pixels]
    network: Any = Bright()
    found = segment_all(network, sizes, images.__getitem__, images.__getitem__)
    areas = [
        [int(decode(mask, *size).sum()) for mask in each.masks]
        for each, size in zip(found, sizes, strict=True)
    ]
    assert areas == [[100], [600], [100]]


def test_the_best_of_what_is_found() -> None:
    found = Found(labels=[1, 2, 3], scores=[0.9, 0.5, 0.2], masks=[b"a", b"b", b"c"])
    assert found.best(0.5, 10).labels == [1, 2]
    assert found.best(0.0, 1).masks == [b"a"]
