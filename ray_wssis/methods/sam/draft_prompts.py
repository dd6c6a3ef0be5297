"""Prompts that a rough mask gives: places on and off it, an elastic box and a smooth mask.

SAMRefiner (arXiv:2502.06756): a rough mask alone is a poor prompt, because its faults are taken for
truth; together the three tell where an object is and leave open where it ends.

Differs from the paper: what people clicked is part of the prompt; everything is found on the coarse
grid of mask prompts, so the size of the image costs nothing; a box grows by a tenth at most, and
where it has grown, the mask prompt says nothing instead of "not the object".

Legend: s cells of a side of the grid, e of that of the features (e divides s), C channels.
"""

from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Bool, Float32
from numpy.typing import NDArray

Mask = Bool[NDArray[np.bool_], "s s"]
Features = Float32[NDArray[np.float32], "C e e"]
Box = tuple[float, float, float, float]  # left, top, right, bottom
Cell = tuple[float, float]  # x, y on the grid, centres at .5

GROWTH = 0.1  # of a side of the box, which it may grow by: the paper's lambda
ALIKE = 0.5  # cosine of features from which they show the same thing
STRENGTH, STEEPNESS = 15.0, 4.0  # the paper's omega and gamma


class DraftPrompt(NamedTuple):
    on: Cell  # the place deepest inside the mask
    off: Cell | None  # the place of the box farthest from the mask, if there is any
    box: Box  # on the grid
    logits: Float32[NDArray[np.float32], "s s"]


def draft_prompt(mask: Mask, features: Features) -> DraftPrompt:
    """Derive the prompts from a mask that has a cell."""
    depth = depths(mask)  # (s, s)
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    inner = int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1
    grown = elastic_box(mask, inner, features)
    return DraftPrompt(
        on=deepest(depth),
        off=farthest(mask, inner),
        box=grown,
        logits=smooth(mask, depth, grown if grown != inner else None),
    )


def depths(mask: Mask) -> Float32[NDArray[np.float32], "s s"]:
    """Return how far each cell of a mask is from what is beside it; the border of the grid counts
    as beside."""
    padded = cv2.copyMakeBorder(mask.astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT)
    return np.asarray(cv2.distanceTransform(padded, cv2.DIST_L2, 5)[1:-1, 1:-1], np.float32)


def deepest(depth: Float32[NDArray[np.float32], "h w"]) -> Cell:
    row, column = np.unravel_index(int(depth.argmax()), depth.shape)
    return column + 0.5, row + 0.5


def farthest(mask: Mask, box: tuple[int, int, int, int]) -> Cell | None:
    """Find the place in the box of a mask that is farthest from it; None if the mask fills it."""
    left, top, right, bottom = box
    beside = ~mask[top:bottom, left:right]
    if not beside.any():
        return None
    away = cv2.distanceTransform(beside.astype(np.uint8), cv2.DIST_L2, 5)
    x, y = deepest(np.asarray(away, np.float32))
    return left + x, top + y


def elastic_box(mask: Mask, box: tuple[int, int, int, int], features: Features) -> Box:
    """Let each side of a box grow where what lies beyond it looks like the mask."""
    side, cells = len(mask), features.shape[-1]
    ratio = side // cells
    share = mask.reshape(cells, ratio, cells, ratio).mean(axis=(1, 3))  # (e, e)
    weights = share / share.sum()
    normed = features / np.linalg.norm(features, axis=0, keepdims=True).clip(1e-6)
    typical = (normed * weights).sum(axis=(1, 2))  # (C,)
    alike = np.einsum("cij,c->ij", normed, typical / max(1e-6, float(np.linalg.norm(typical))))
    left, top, right, bottom = box
    wide, high = GROWTH * (right - left), GROWTH * (bottom - top)
    grown = (
        max(0.0, left - wide),
        max(0.0, top - high),
        min(float(side), right + wide),
        min(float(side), bottom + high),
    )
    beyond = (  # of each side: what the box would gain
        (grown[0], top, left, bottom),
        (left, grown[1], right, top),
        (right, top, grown[2], bottom),
        (left, bottom, right, grown[3]),
    )
    chosen = [
        new if mean_in(alike, part, ratio) > ALIKE else float(old)
        for old, new, part in zip(box, grown, beyond, strict=True)
    ]
    return chosen[0], chosen[1], chosen[2], chosen[3]


def mean_in(values: NDArray[np.float32], part: Box, ratio: int) -> float:
    """Average the values of the feature cells that a part of the grid touches; -1 without any."""
    left, top, right, bottom = part
    if right <= left or bottom <= top:
        return -1.0
    rows = slice(int(top // ratio), int(np.ceil(bottom / ratio)))
    columns = slice(int(left // ratio), int(np.ceil(right / ratio)))
    return float(values[rows, columns].mean())


def smooth(
    mask: Mask, depth: Float32[NDArray[np.float32], "s s"], unsure: Box | None
) -> Float32[NDArray[np.float32], "s s"]:
    """Compose a mask prompt: sure in the depth of the mask, less so towards its edge.

    In the box `unsure` nothing is said beside the mask; elsewhere it is not the object.
    """
    bell = np.exp(-STEEPNESS * (depth - depth.max()) ** 2 / max(1, int(mask.sum())))
    logits = np.where(mask, STRENGTH * bell, -STRENGTH).astype(np.float32)
    if unsure is not None:
        left, top, right, bottom = (round(each) for each in unsure)
        inside = logits[top:bottom, left:right]
        inside[~mask[top:bottom, left:right]] = 0
    return logits


def on_grid(mask: Bool[NDArray[np.bool_], "H W"], height: int, width: int, side: int) -> Mask:
    """Bring the mask of an image to `height` by `width` cells, top left on a grid of `side`.

    A cell is on if half of it is; of a mask that is smaller, the fullest cell.
    """
    shares = cv2.resize(mask.astype(np.float32), (width, height), interpolation=cv2.INTER_AREA)
    grid = np.zeros((side, side), np.bool_)
    grid[:height, :width] = shares >= min(0.5, float(shares.max()))
    return grid
