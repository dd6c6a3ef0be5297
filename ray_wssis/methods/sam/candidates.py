"""A candidate: the answer for one prompt, before it is a mask of the image.

The networks answer with logits on a coarse grid.  Only the part around the positive ones leaves
the actor; it is resized here, in CPU processes that import no torch.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32
from numpy.typing import NDArray

from ray_wssis.masks import encode_in_box

Floats = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Candidate:
    logits: Float32[Floats, "h w"]  # above 0: the object; a margin of one cell where there is one
    corner: tuple[int, int]  # row and column of its first cell on the grid
    cells: tuple[float, float]  # of the grid per pixel of the image, down and across
    predicted_iou: float  # by the network, 0..1
    stability: float  # cells of logits above 1 for each of logits above -1
    margin: float  # value of this candidate less that of the next one


def cut_out(logits: Float32[Floats, "h w"]) -> tuple[Floats, tuple[int, int]] | None:
    """Return the part around the positive logits, and the row and column where it begins.

    None if there are none.
    """
    rows, columns = (np.flatnonzero((logits > 0).any(axis=axis)) for axis in (1, 0))
    if not rows.size:
        return None
    top, left = max(0, int(rows[0]) - 1), max(0, int(columns[0]) - 1)
    return logits[top : rows[-1] + 2, left : columns[-1] + 2].copy(), (top, left)


def enlarge(candidate: Candidate, height: int, width: int) -> bytes | None:
    """Encode the mask of a candidate at the size of the image; None if it has no pixel there."""
    (rows, y0), (columns, x0) = (
        positions(first, number, cells, size)
        for first, number, cells, size in zip(
            candidate.corner, candidate.logits.shape, candidate.cells, (height, width), strict=True
        )
    )
    if not rows.size or not columns.size:
        return None
    mask = interpolated(interpolated(candidate.logits, rows).T, columns).T > 0
    if not mask.any():
        return None
    return encode_in_box(mask, (x0, y0, x0 + columns.size, y0 + rows.size), height, width)


def positions(first: int, number: int, cells: float, size: int) -> tuple[NDArray[np.float64], int]:
    """Return where the pixels that lie on `number` cells from `first` on have their centres, in
    cells after the first one's centre, and which pixel is the first."""
    begin = max(0, int(np.floor(first / cells)))
    end = min(size, int(np.ceil((first + number) / cells)))
    places = (np.arange(begin, end) + 0.5) * cells - 0.5 - first
    return places.clip(0, number - 1), begin


def interpolated(values: Floats, places: NDArray[np.float64]) -> Floats:
    """Interpolate between rows: (h, w) -> (number of places, w)."""
    below = np.minimum(places.astype(np.int64), max(0, len(values) - 2))
    above = np.minimum(below + 1, len(values) - 1)
    part = (places - below).astype(np.float32)[:, None]
    return np.asarray(values[below] * (1 - part) + values[above] * part)
