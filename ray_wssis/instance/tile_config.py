"""Tiles that huge images are cut into, so that a network sees them at their own size."""

from collections.abc import Sequence
from itertools import product

from pydantic import Field

from ray_wssis.config import Config

Corner = tuple[int, int]  # y, x of the upper left pixel


class TileConfig(Config):
    size: int = Field(ge=64)  # original pixels of a side; an image that has no more is not cut
    overlap: float = Field(default=0.25, ge=0, lt=1)  # share that neighbours have in common

    def cuts(self, height: int, width: int) -> bool:
        """Tell whether an image of this size has more than one tile."""
        return max(height, width) > self.size

    def corners(self, height: int, width: int) -> list[Corner]:
        """List the tiles that together cover an image; the last ones end at its border."""
        return list(product(self.starts(height), self.starts(width)))

    def starts(self, side: int) -> list[int]:
        last = max(0, side - self.size)
        return [*range(0, last, max(1, int(self.size * (1 - self.overlap)))), last]

    def innermost(self, point: tuple[float, float], corners: Sequence[Corner]) -> int:
        """Return the place of the tile whose middle is nearest to a point (x, y)."""
        half = self.size / 2
        apart = [max(abs(point[0] - x - half), abs(point[1] - y - half)) for y, x in corners]
        return apart.index(min(apart))

    @property
    def made_from(self) -> str:
        """Return what stands for it in what a labeller is made from."""
        return f" tiles {self.size} overlap {self.overlap:g}"
