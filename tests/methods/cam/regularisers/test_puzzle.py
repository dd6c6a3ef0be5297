"""Puzzle-CAM: tiles and their maps."""

from dataclasses import replace

import pytest
import torch

from ray_wssis.methods.cam.config import Puzzle
from ray_wssis.methods.cam.regularisers.puzzle import PuzzleCAM, cut, difference, put_together
from ray_wssis.models.classifier import ClassifierOutput
from tests.support.fake_classifier import PixelClassifier
from tests.support.tiny_semantic import batch

IMAGES = batch(2, [[True, True, False], [True, True, True]], 0)


def test_tiles_are_quarters_and_merge_to_the_whole() -> None:
    whole = torch.arange(2 * 3 * 4 * 6).view(2, 3, 4, 6)
    tiles = cut(whole)
    assert tiles.shape == (8, 3, 2, 3)
    assert (tiles[2] == whole[0, :, :2, 3:]).all() and (tiles[5] == whole[1, :, 2:, :3]).all()
    assert (put_together(tiles) == whole).all()


def test_a_network_that_sees_pixels_alone_has_nothing_to_learn_from_tiles() -> None:
    losses = PuzzleCAM(Puzzle(), (1, 2)).losses(PixelClassifier(), IMAGES, 1)  # type: ignore[arg-type]
    assert losses["puzzle"].item() == 0
    assert losses["tiles"].item() == pytest.approx(losses["tags"].item(), abs=1e-6)


def test_the_difference_is_a_mean_over_the_tags_of_tagged_images() -> None:
    rng = torch.Generator().manual_seed(0)
    whole, merged = (torch.rand(2, 3, 4, 4, generator=rng) for _ in range(2))
    total = sum(
        abs(float(whole[i, k, y, x] - merged[i, k, y, x]))
        for i, k in ((0, 1), (1, 1), (1, 2))
        for y in range(4)
        for x in range(4)
    )
    assert difference(whole, merged, IMAGES, (1, 2)).item() == pytest.approx(total / (2 * 16) / 2)
    untagged = replace(IMAGES, is_tagged=torch.tensor([False, False]))
    assert difference(whole, merged, untagged, (1, 2)).item() == 0


class BlindToTiles(PixelClassifier):
    """Sees nothing in a quarter of an image."""

    def forward(self, images: torch.Tensor, sizes: torch.Tensor) -> ClassifierOutput:
        output = super().forward(images, sizes)
        return output if len(images) == 2 else replace(output, maps=0 * output.maps)


def test_the_weight_rises_with_the_steps() -> None:
    method = PuzzleCAM(Puzzle(weight=4, ramp_steps=4), (1, 2))
    found = [
        method.losses(BlindToTiles(), IMAGES, step)["puzzle"].item()  # type: ignore[arg-type]
        for step in (1, 2, 4, 9)
    ]
    assert found == pytest.approx([found[2] / 4, found[2] / 2, found[2], found[2]])
    assert found[2] > 0
