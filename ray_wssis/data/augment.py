"""Augmentation of training images together with their masks.

One `Geometry` is drawn per image; it transforms the image and then its masks one by one, so that
the masks of a crowded image are never all in memory at full size.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from ray_wssis.data.augment_config import AugmentConfig
from ray_wssis.data.images.read import resize_image, shortest_edge_size

COLOUR_LIMITS = (0, 255)


@dataclass(frozen=True, kw_only=True)
class Geometry:
    """Crop, then quarter turns, then flip, then resize."""

    left: int
    top: int
    right: int
    bottom: int
    quarter_turns: int
    flip: bool
    height: int  # of the result
    width: int

    def move(self, array: np.ndarray) -> np.ndarray:
        """Apply everything but the resize to [H, W] or [H, W, 3]."""
        array = array[self.top : self.bottom, self.left : self.right]
        array = np.rot90(array, self.quarter_turns)
        return array[:, ::-1] if self.flip else array

    def image(self, image: np.ndarray) -> np.ndarray:
        """Transform an image: [H, W, 3] uint8 -> [height, width, 3] uint8."""
        return resize_image(np.ascontiguousarray(self.move(image)), self.height, self.width)

    def mask(self, mask: np.ndarray) -> np.ndarray:
        """Transform a mask: [H, W] bool -> [height, width] uint8, 0 or 1, by the nearest pixel."""
        moved = np.ascontiguousarray(self.move(mask), dtype=np.uint8)
        if moved.shape == (self.height, self.width):
            return moved
        return cv2.resize(moved, (self.width, self.height), interpolation=cv2.INTER_NEAREST_EXACT)


def draw_geometry(
    height: int, width: int, config: AugmentConfig, rng: np.random.Generator
) -> Geometry:
    """Draw a geometry for an image of height x width pixels."""
    shorter = int(rng.choice(config.shorter))
    share = rng.uniform(config.min_crop, 1)
    crop_height, crop_width = (
        max(1, round(height * share)),
        max(1, round(width * share)),
    )
    top = int(rng.integers(height - crop_height + 1))
    left = int(rng.integers(width - crop_width + 1))
    quarter_turns = int(rng.integers(4)) if config.turn else 0
    turned = (crop_width, crop_height) if quarter_turns % 2 else (crop_height, crop_width)
    result = shortest_edge_size(*turned, shorter, config.longest)
    return Geometry(
        left=left,
        top=top,
        right=left + crop_width,
        bottom=top + crop_height,
        quarter_turns=quarter_turns,
        flip=bool(config.flip and rng.random() < 0.5),
        height=result[0],
        width=result[1],
    )


def change_colour(image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Change brightness, contrast and the balance of the channels, each by up to `strength`."""
    if strength == 0:
        return image
    contrast = 1 + strength * rng.uniform(-1, 1)
    balance = 1 + 0.5 * strength * rng.uniform(-1, 1, size=3)
    brightness = 128 * strength * rng.uniform(-1, 1)
    mean = image.mean()
    table = (np.arange(256)[:, None] - mean) * contrast * balance + mean + brightness  # (256, 3)
    table = np.clip(table, *COLOUR_LIMITS).astype(np.uint8)
    return cv2.LUT(image, table[None])
