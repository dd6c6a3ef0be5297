"""PAMR against loops over pixels."""

import numpy as np
import pytest
import torch

from ray_wssis.methods.cam.refiners.pamr import SHARPNESS, SMALL, refine

DILATIONS = (1, 3)


def refined_by_loops(maps: np.ndarray, image: np.ndarray, iterations: int) -> np.ndarray:
    """Visit every pixel, channel and neighbour; those beyond a border are the nearest pixels."""
    height, width = image.shape[1:]

    def around(y: int, x: int) -> list[tuple[int, int]]:
        steps = [(dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1) if (dy, dx) != (0, 0)]
        return [
            (min(max(y + d * dy, 0), height - 1), min(max(x + d * dx, 0), width - 1))
            for d in DILATIONS
            for dy, dx in steps
        ]

    for _ in range(iterations):
        result = np.zeros_like(maps)
        for y in range(height):
            for x in range(width):
                places = around(y, x)
                exponents = np.zeros(len(places))
                for channel in image:
                    seen = [channel[place] for place in places]
                    unit = np.std([*seen, channel[y, x]], ddof=1) / SHARPNESS + SMALL
                    exponents -= np.abs(np.array(seen) - channel[y, x]) / unit / len(image)
                weights = np.exp(exponents) / np.exp(exponents).sum()
                for weight, place in zip(weights, places, strict=True):
                    result[:, y, x] += weight * maps[(slice(None), *place)]
        maps = result
    return maps


def test_equal_to_loops() -> None:
    rng = np.random.default_rng(0)
    image, maps = rng.integers(0, 256, (3, 6, 7)).astype(float), rng.random((2, 6, 7))
    refined = refine(torch.tensor(maps), torch.tensor(image), 2, DILATIONS)
    assert refined.numpy() == pytest.approx(refined_by_loops(maps, image, 2), abs=1e-6)


def test_scores_do_not_cross_an_edge() -> None:
    image, maps = torch.zeros(3, 16, 16), torch.zeros(1, 16, 16)
    image[:, :, 8:] = 200
    maps[:, 4:12, 9:13] = 1
    refined = refine(maps, image, 10, (1, 2, 4))[0]
    assert refined[:, :8].max() < 1e-6
    assert refined[4:12, 8:].min() > 0.15


def test_constant_maps_stay() -> None:
    image = torch.rand(3, 8, 8, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(refine(torch.full((1, 8, 8), 0.7), image, 5, (1, 2)), torch.tensor(0.7))
