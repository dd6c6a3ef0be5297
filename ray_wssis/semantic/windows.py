"""Windows that slide over an image too large for one pass of the network."""

from itertools import product

from pydantic import Field

from ray_wssis.config import Config
from ray_wssis.models.solov2_config import PADDING_MULTIPLE

STRIDE = 4  # pixels of the image per pixel of the logits


class Window(Config):
    size: int = Field(ge=PADDING_MULTIPLE, multiple_of=PADDING_MULTIPLE)  # network pixels, a side
    overlap: float = Field(default=0.5, ge=0, lt=1)  # share that neighbours have in common

    def covers(self, shape: tuple[int, ...]) -> bool:
        """Return whether one window shows all of an image of this height and width."""
        return max(shape[:2]) <= self.size

    def corners(self, shape: tuple[int, ...]) -> list[tuple[int, int]]:
        """List the top left corners (y, x) of windows that together cover the image.

        Corners lie on pixels of the logits.  The last windows of a row and a column end at the
        border, or less than one pixel of the logits beyond it.
        """
        return list(product(self.starts(shape[0]), self.starts(shape[1])))

    def starts(self, side: int) -> list[int]:
        last = -(-max(0, side - self.size) // STRIDE) * STRIDE
        step = max(1, int(self.size * (1 - self.overlap)) // STRIDE) * STRIDE
        return [*range(0, last, step), last]
