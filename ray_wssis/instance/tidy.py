"""Masks of one image made tidy: without specks and pinholes, and where wanted without overlaps.

A speck is an island of a few pixels beside the rest of its mask, a pinhole a small hole in it.
Both make outlines that nobody can correct by hand, and run lengths many times longer.
"""

from collections.abc import Sequence

import cv2
import numpy as np
from jaxtyping import Bool
from numpy.typing import NDArray

from ray_wssis import masks
from ray_wssis.instance.tidy_config import TidyConfig

CONNECTED = 4  # neighbours of a pixel of an island; those of a hole are all eight


def tidied(
    drawn: Sequence[bytes | None], config: TidyConfig, height: int, width: int
) -> list[bytes | None]:
    """Make the masks of one image tidy; one of which nothing is left becomes None."""
    found = list(drawn)
    if config.exclusive:
        areas = [0 if mask is None else masks.area(mask, height, width) for mask in found]
        found = without_overlaps(found, areas, height, width)
    if config.specks:
        found = [
            None if mask is None else without_specks(mask, height, width, config.specks)
            for mask in found
        ]
    return found


def without_specks(counts: bytes, height: int, width: int, share: float) -> bytes:
    """Drop the islands and fill the holes of fewer pixels than this share of the mask's.

    The largest island always stays.
    """
    x0, y0, x1, y1 = masks.bounding_box(counts, height, width)
    column, row = masks.pixels(counts, height)
    least = share * len(column)
    if least <= 1:
        return counts
    part = np.zeros((y1 - y0, x1 - x0), np.bool_)
    part[row - y0, column - x0] = True
    kept = filled(without_islands(part, least), least)
    if np.array_equal(kept, part):
        return counts
    return masks.encode_in_box(kept, (x0, y0, x1, y1), height, width)


def without_islands(part: Bool[NDArray[np.bool_], "H W"], least: float) -> NDArray[np.bool_]:
    """Keep the islands of at least so many pixels, and the largest one."""
    num, islands, stats, _ = cv2.connectedComponentsWithStats(
        part.astype(np.uint8), connectivity=CONNECTED
    )
    if num <= 2:  # the background and one island
        return part
    sizes = stats[:, cv2.CC_STAT_AREA]
    stays = sizes >= least
    stays[1 + int(sizes[1:].argmax())] = True
    stays[0] = False
    return np.asarray(stays[islands], np.bool_)


def filled(part: Bool[NDArray[np.bool_], "H W"], least: float) -> NDArray[np.bool_]:
    """Fill the holes of fewer pixels; what reaches the border of the part is no hole."""
    around = np.pad(~part, 1, constant_values=True)
    num, holes, stats, _ = cv2.connectedComponentsWithStats(around.astype(np.uint8), connectivity=8)
    if num <= 2:  # the mask and its surroundings
        return part
    small = stats[:, cv2.CC_STAT_AREA] < least
    small[[0, int(holes[0, 0])]] = False
    return np.asarray(part | small[holes][1:-1, 1:-1], np.bool_)


def without_overlaps(
    drawn: Sequence[bytes | None], areas: Sequence[int], height: int, width: int
) -> list[bytes | None]:
    """Give each pixel that masks share to the smallest of them; None for a mask that has none left.

    So an object that lies on another one stays whole.
    """
    cut = list(drawn)
    taken = masks.nowhere(height, width)
    for place in sorted(range(len(drawn)), key=lambda place: (areas[place], place)):
        mask = drawn[place]
        if mask is None:
            continue
        own = masks.intersection(mask, masks.complement(taken, height, width), height, width)
        cut[place] = own if masks.area(own, height, width) else None
        taken = masks.union([taken, mask], height, width)
    return cut
