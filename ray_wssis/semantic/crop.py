"""A random view of an image and its class map: scaled, turned, sheared and cut to a square.

One affine map moves image, class map and the mark of what is image, so they always fit.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from ray_wssis.data.class_maps.png import UNKNOWN
from ray_wssis.semantic.augment_config import SemanticAugment


@dataclass(frozen=True, kw_only=True)
class Crop:
    matrix: np.ndarray  # [2, 3], original pixels -> pixels of the crop
    side: int
    flip: bool

    def image(self, image: np.ndarray) -> np.ndarray:
        """Cut out of [H, W, 3] uint8 -> [side, side, 3]; black beyond the image."""
        return self.move(image, cv2.INTER_LINEAR, 0)

    def class_map(self, labels: np.ndarray) -> np.ndarray:
        """Cut out of [H, W] uint8 -> [side, side], by the nearest pixel; unknown beyond."""
        return self.move(labels, cv2.INTER_NEAREST, UNKNOWN)

    def sparse_class_map(self, labels: np.ndarray) -> np.ndarray:
        """Cut a map out that is unknown nearly everywhere; no annotated pixel is lost on the way.

        Where the image becomes smaller, the nearest pixel of most places is one beside a click.
        """
        moved = self.class_map(labels)
        rows, columns = np.nonzero(labels != UNKNOWN)
        places = self.matrix @ np.stack([columns, rows, np.ones(len(rows))])  # [2, N]
        x, y = np.rint(places).astype(int)
        here = (x >= 0) & (x < self.side) & (y >= 0) & (y < self.side)
        x, y, marks = x[here], y[here], labels[rows, columns][here]
        free = (moved[y, x] == UNKNOWN) & self.inside(*labels.shape)[y, x]
        moved[y[free], x[free]] = marks[free]
        return moved

    def inside(self, height: int, width: int) -> np.ndarray:
        """Mark the pixels that show the image of height x width: [side, side] bool."""
        whole = np.ones((height, width), np.uint8)
        return self.move(whole, cv2.INTER_NEAREST, 0) > 0

    def move(self, array: np.ndarray, interpolation: int, beyond: int) -> np.ndarray:
        moved: np.ndarray = cv2.warpAffine(
            array,
            self.matrix,
            (self.side, self.side),
            flags=interpolation,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=(beyond, beyond, beyond),
        )
        return moved


def draw_crop(height: int, width: int, config: SemanticAugment, rng: np.random.Generator) -> Crop:
    """Draw a crop of an image of height x width pixels.

    Where the image is larger than the crop along an axis, the crop lies inside it; where it is
    smaller, it lies anywhere inside the crop.
    """
    low, high = np.log(config.scale)
    scale = float(np.exp(rng.uniform(low, high)))
    angle = np.radians(rng.uniform(-1, 1) * config.rotate)
    if config.turn:
        angle += np.pi / 2 * int(rng.integers(4))
    shear = rng.uniform(-1, 1, size=2) * config.shear
    flip = bool(config.flip and rng.random() < 0.5)
    turned = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    sheared = np.array([[1, shear[0]], [shear[1], 1]])
    mirrored = np.diag([-1.0 if flip else 1.0, 1.0])
    linear = scale * turned @ sheared @ mirrored  # [2, 2]
    extent = np.abs(linear) @ [width, height]  # of the moved image's box, pixels of the crop
    room = (extent - config.crop) / 2  # how far its centre may lie from the crop's
    centre = config.crop / 2 + rng.uniform(-1, 1, size=2) * np.abs(room)
    # Pixel centres are at +0.5 here, and at whole numbers for OpenCV.
    shift = centre - linear @ [width / 2, height / 2] + linear @ [0.5, 0.5] - 0.5
    return Crop(matrix=np.column_stack([linear, shift]), side=config.crop, flip=flip)
