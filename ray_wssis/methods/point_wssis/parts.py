"""The part of a mask that is the object's own.

A kernel often answers to several objects that look alike, and its mask then has a part on each.
The part with the object's point is its own.  A mask beside its point stays whole, as that of an
object in two parts whose centroid lies between them.

Legend: N masks, h w mask pixels.
"""

import cv2
import numpy as np
from jaxtyping import Bool, Int64
from numpy.typing import NDArray

WHOLE = -1  # in place of a pixel: all parts are the object's


def own_parts(
    inside: Bool[NDArray[np.bool_], "N h w"], pixel: Int64[NDArray[np.int64], " N"]
) -> Bool[NDArray[np.bool_], "N h w"]:
    """Return each mask without the parts that do not hold its `pixel`, if one does.

    A pixel is a place in the flattened mask, or WHOLE.
    """
    num, height, width = inside.shape
    if inside.size == 0:
        return inside
    stacked = np.zeros((num, height + 1, width), dtype=np.uint8)  # no mask touches the next
    stacked[:, :height] = inside
    _, labels = cv2.connectedComponents(stacked.reshape(-1, width))
    parts = labels.reshape(stacked.shape)[:, :height]
    own = parts.reshape(num, -1)[np.arange(num), pixel]
    has_own = (own > 0) & (pixel != WHOLE)
    return np.where(has_own[:, None, None], parts == own[:, None, None], inside)
