"""A random walker from the cells that are sure (Grady, "Random walks for image segmentation", PAMI
2006).

From each other pixel a walker, which prefers neighbours of like colour, meets a sure class or sure
background first; the chance of a class is its new score.
"""

import cv2
import numpy as np
from jaxtyping import Float32, UInt8
from numpy.typing import NDArray

from ray_wssis.methods.cam.config import Policy
from ray_wssis.models.random_walker import passages, solve

Floats = NDArray[np.float32]


def refine(
    maps: Float32[Floats, "K H W"], image: UInt8[NDArray[np.uint8], "H W 3"], policy: Policy
) -> Float32[Floats, "K H W"]:
    """Refine maps of scores, 0..1.  Where nothing is sure, the maps stay as they are."""
    best = maps.max(axis=0)
    is_background = best <= policy.sure_background
    is_class = (maps == best) & (best >= policy.sure_class)  # (K, H, W)
    if not is_background.any() or not is_class.any():
        return maps
    colours = cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    nowhere = np.zeros(best.shape, bool)
    across, down = passages(np.asarray(colours, np.float32), nowhere)
    sure = is_background | is_class.any(axis=0)
    seeds = np.where(sure, is_class, np.nan).astype(np.float32)
    return np.stack([solve(across, down, own).clip(0, 1) for own in seeds])
