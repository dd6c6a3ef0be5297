"""The conditional random field against loops over pairs of pixels."""

import numpy as np
import pytest
import torch

from ray_wssis.methods.cam.config import CRF
from ray_wssis.methods.cam.refiners.crf import refine

SMALL = CRF(reach=1, iterations=2, near_pixels=2, alike_pixels=3, alike_levels=20)


def slow(maps: np.ndarray, image: np.ndarray, config: CRF, threshold: float) -> np.ndarray:
    """Every pixel asks every other one, and those beyond the window count nothing."""
    scores = np.concatenate([np.full_like(maps[:1], threshold), maps])
    alone = np.log(scores / scores.sum(axis=0))
    pixels = list(np.ndindex(*maps.shape[1:]))

    def kernels(here: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
        near, alike = np.zeros(maps.shape[1:]), np.zeros(maps.shape[1:])
        for there in pixels:
            away = np.subtract(here, there)
            if there != here and abs(away).max() <= config.reach:
                far = (away**2).sum()
                colour = ((image[:, here[0], here[1]] - image[:, there[0], there[1]]) ** 2).sum()
                near[there] = np.exp(-far / (2 * config.near_pixels**2))
                alike[there] = np.exp(
                    -far / (2 * config.alike_pixels**2) - colour / (2 * config.alike_levels**2)
                )
        return near, alike

    found = np.exp(alone)
    for _ in range(config.iterations):
        energy = alone.copy()
        for here in pixels:
            near, alike = kernels(here)
            heard = config.near * near / near.sum() + config.alike * alike / alike.sum()
            energy[:, here[0], here[1]] += (heard * found).sum(axis=(1, 2))
        found = np.exp(energy) / np.exp(energy).sum(axis=0)
    classes: np.ndarray = found[1:]
    return classes


def test_it_is_what_loops_over_pairs_give() -> None:
    rng = np.random.default_rng(0)
    maps, image = rng.uniform(0.05, 1, (2, 4, 5)), rng.uniform(0, 60, (3, 4, 5))
    fast = refine(torch.tensor(maps), torch.tensor(image), SMALL, 0.3)
    assert fast.numpy() == pytest.approx(slow(maps, image, SMALL, 0.3), abs=1e-7)


def test_a_pixel_takes_the_label_of_its_colour() -> None:
    image = torch.zeros(3, 8, 8)
    image[:, :, 4:] = 255
    maps = torch.full((1, 8, 8), 0.1)
    maps[:, :, 4:] = 0.9
    maps[0, 3, 6] = 0.2  # a hole
    maps[0, 3, 1] = 0.6  # a speck
    found = refine(maps, image, CRF(reach=3), 0.4)[0]
    assert (found[:, 4:] > 0.5).all()
    assert (found[:, :4] < 0.5).all()


def test_without_neighbours_that_count_scores_are_shares() -> None:
    maps = torch.rand(2, 3, 3) + 0.1
    found = refine(maps, torch.zeros(3, 3, 3), CRF(near=0, alike=0), 0.5)
    assert torch.allclose(found, maps / (maps.sum(dim=0) + 0.5))
