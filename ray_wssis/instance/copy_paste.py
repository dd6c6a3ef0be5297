"""Objects of one training image pasted into another ("Simple Copy-Paste", arXiv:2012.07177).

Few images with masks show few neighbourhoods; pasted, an object is seen before many grounds and
beside many others.  What it covers is not there any more, for the image and for its masks alike.

Differs from the paper: both images are augmented as the configuration says, without a jitter of
their own, and edges are not blended.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

SHARE = 0.5  # of the other image's objects, on average


@dataclass(frozen=True, kw_only=True)
class Overlap:
    """The same rectangle in two images of different sizes."""

    here: tuple[slice, slice]  # rows, columns
    there: tuple[slice, slice]


def draw_overlap(own: Sequence[int], other: Sequence[int], rng: np.random.Generator) -> Overlap:
    """Draw where an image of size `other` (height, width) lies on one of size `own`: the smaller of
    both sides lies anywhere within the larger."""
    here: list[slice] = []
    there: list[slice] = []
    for size, others in zip(own, other, strict=True):
        length = min(size, others)
        for slices, side in ((here, size), (there, others)):
            first = int(rng.integers(side - length + 1))
            slices.append(slice(first, first + length))
    return Overlap(here=(here[0], here[1]), there=(there[0], there[1]))


def chosen_masks(
    masks: Iterable[tuple[int, np.ndarray]],
    overlap: Overlap,
    size: Sequence[int],
    rng: np.random.Generator,
) -> Iterator[tuple[int, np.ndarray]]:
    """Choose some objects of the other image; yield label and mask, [height, width] uint8, of those
    that lie in the overlap.  `size` is height and width of the image that they are pasted into."""
    for label, mask in masks:
        if rng.random() < SHARE:
            placed = np.zeros((size[0], size[1]), np.uint8)
            placed[overlap.here] = mask[overlap.there]
            if placed.any():
                yield label, placed


def paste_pixels(
    image: np.ndarray, other: np.ndarray, overlap: Overlap, covered: np.ndarray
) -> np.ndarray:
    """Copy the pixels of `other` that are `covered`, [height, width] bool, into a copy of `image`,
    [height, width, 3]."""
    pasted = image.copy()
    inside = covered[overlap.here]
    pasted[overlap.here][inside] = other[overlap.there][inside]
    return pasted
