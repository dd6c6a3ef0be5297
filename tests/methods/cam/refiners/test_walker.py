"""A random walker between sure pixels."""

import numpy as np

from ray_wssis.methods.cam.config import Policy
from ray_wssis.methods.cam.refiners.walker import refine

POLICY = Policy(sure_background=0.1, threshold=0.5, sure_class=0.9)


def halves() -> np.ndarray:
    image = np.zeros((12, 16, 3), np.uint8)
    image[:, 8:] = (200, 60, 40)
    return image


def test_what_is_sure_fills_a_colour() -> None:
    maps = np.full((2, 12, 16), 0.5, np.float32)
    maps[:, 2:4, 1:3] = 0.0  # sure background, on the dark half
    maps[1, 6:8, 11:13] = 1.0  # sure, on the red half
    refined = refine(maps, halves(), POLICY)
    assert refined[1, :, 9:].min() > 0.9
    assert refined[1, :, :7].max() < 0.1
    assert refined[0].max() < 0.01  # nothing of it was sure
    assert (refined.sum(axis=0) < 1 + 1e-4).all()


def test_without_anything_sure_the_maps_stay() -> None:
    maps = np.full((1, 12, 16), 0.5, np.float32)
    assert refine(maps, halves(), POLICY) is maps
