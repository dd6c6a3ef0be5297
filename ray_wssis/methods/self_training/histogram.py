"""Pixels by label and certainty: counts that add up over images, and thresholds from them.

Certainty has 256 levels (`semantic/segmenter.py`); a threshold thus is that of sorted pixels up to
one level, without any pixel kept in memory.

Legend: K classes, H W pixels.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64, UInt8
from numpy.typing import NDArray

LEVELS = 256


@dataclass(frozen=True)
class Kept:
    """The pixels of each class that are learnt: those above a level, and some of that level."""

    levels: Int64[NDArray[np.int64], " K"]  # LEVELS: none
    shares: Float64[NDArray[np.float64], " K"]  # of the pixels that have just this level, 0..1

    def marks(
        self,
        labels: UInt8[NDArray[np.uint8], "H W"],
        certainty: UInt8[NDArray[np.uint8], "H W"],
        rng: np.random.Generator,
    ) -> NDArray[np.bool_]:
        """Mark the pixels of an image that are learnt, [H, W]."""
        levels, shares = self.levels[labels], self.shares[labels]
        drawn = rng.random(labels.shape) < shares
        marks: NDArray[np.bool_] = (certainty > levels) | ((certainty == levels) & drawn)
        return marks


@dataclass(frozen=True)
class Histogram:
    counts: Int64[NDArray[np.int64], "K 256"]  # pixels by label, then by certainty

    @classmethod
    def none(cls, num_classes: int) -> "Histogram":
        return cls(np.zeros((num_classes, LEVELS), np.int64))

    @classmethod
    def of(
        cls,
        labels: UInt8[NDArray[np.uint8], "H W"],
        certainty: UInt8[NDArray[np.uint8], "H W"],
        num_classes: int,
    ) -> "Histogram":
        """Count the pixels of one image."""
        places = labels.ravel().astype(np.int64) * LEVELS + certainty.ravel()
        counts = np.bincount(places, minlength=num_classes * LEVELS)
        return cls(counts.reshape(num_classes, LEVELS))

    def __add__(self, other: "Histogram") -> "Histogram":
        return Histogram(self.counts + other.counts)

    def pixels(self) -> Int64[NDArray[np.int64], " K"]:
        """Count the pixels of each class."""
        found: NDArray[np.int64] = self.counts.sum(axis=1)
        return found

    def surest(self, wanted: NDArray[np.float64]) -> Kept:
        """Choose the surest pixels of each class: `wanted` of them, (K,), or all there are.

        Among pixels of equal certainty chance decides.
        """
        above = np.cumsum(self.counts[:, ::-1], axis=1)[:, ::-1]  # of this level and surer ones
        enough = above >= np.maximum(wanted, 1e-9)[:, None]
        highest = LEVELS - 1 - enough[:, ::-1].argmax(axis=1)
        levels = np.where(enough.any(axis=1), highest, 0)
        at = self.counts[np.arange(len(levels)), levels]
        surer = above[np.arange(len(levels)), levels] - at
        shares = np.clip((wanted - surer) / np.maximum(at, 1), 0, 1)
        return Kept(np.where(wanted > 0, levels, LEVELS), np.where(wanted > 0, shares, 0.0))
