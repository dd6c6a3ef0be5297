"""Parts of a mask that belong to other objects.

A kernel often answers to two objects that look alike, and its mask then has a part on each.  A
part that does not hold the point of the object and that other masks cover is theirs.  An object
that is in parts itself, as behind a post, keeps them: nothing else claims them.

Legend: P points, h w mask pixels.
"""

import cv2
import numpy as np
from jaxtyping import Bool, Int64
from numpy.typing import NDArray

COVERED = 0.5  # share of a part that other masks cover, beyond which it is theirs


def foreign_parts(
    inside: Bool[NDArray[np.bool_], "P h w"], pixel: Int64[NDArray[np.int64], " P"]
) -> Bool[NDArray[np.bool_], "P h w"]:
    """Mark the pixels of each mask that belong to others; `pixel` are places in flattened masks.

    The part with the point is the object's own; where none holds it, the largest part is.
    """
    foreign = np.zeros_like(inside)
    num_masks = inside.sum(axis=0)  # (h, w)
    for mask, own_pixel, result in zip(inside, pixel.tolist(), foreign, strict=True):
        num_parts, parts = cv2.connectedComponents(mask.view(np.uint8))
        if num_parts > 2:  # the background is one of them
            area = np.bincount(parts.ravel())
            covered = np.bincount(parts.ravel(), weights=num_masks.ravel() > 1)
            is_foreign = covered >= COVERED * area
            is_foreign[[0, parts.ravel()[own_pixel] or 1 + area[1:].argmax()]] = False
            result[:] = is_foreign[parts]
    return foreign
