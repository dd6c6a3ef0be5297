"""The published treatment of points (PointWSSIS, arXiv:2303.15062): `compat: reference`.

Published weights were used with these rules, so only they reproduce the pseudo masks of those
weights: a coordinate is cut to four digits and its cell found by a division that is sometimes one
cell low; points that share their cells are painted over; points that pick the same cell for the
same class are one; then small masks, overlapping masks and all but the best hundred are dropped.

Legend: P points, L levels, S cells per grid side, h w mask pixels.
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ray_wssis.models.solov2_inference import LEVEL_STRIDES, mask_nms

DIGITS = 10_000  # a coordinate is stored as a whole number of ten-thousandths of its side
MAX_IOU = 0.5  # of masks of one class
MAX_MASKS = 100  # of an image


def cells_as_published(place: Float[Tensor, "P 2"], sides: list[int]) -> Int[Tensor, "P L 2"]:
    """Row and column of the cell of each point; `place` is x, y in 0..1."""
    return divided((place.double() * DIGITS).floor() / DIGITS, sides)


def painted_cells(place: Float[Tensor, "P 2"], sides: list[int]) -> Int[Tensor, "P L 2"]:
    """Row and column of the cell that each point is painted in: not cut, in float32."""
    return divided(place.float(), sides)


def divided(place: Float[Tensor, "P 2"], sides: list[int]) -> Int[Tensor, "P L 2"]:
    cells = [(place // (1 / side)).long().clamp(0, side - 1) for side in sides]
    return torch.stack(cells, dim=1).flip(2)


def survivors(
    painted: Int[Tensor, "P L 2"],
    cells: Int[Tensor, "P L 2"],
    levels: Int[Tensor, " P"],
    labels: Int[Tensor, " P"],
    masks: Bool[Tensor, "P h w"],
    maskness: Float[Tensor, " P"],
) -> Bool[Tensor, " P"]:
    """Mark the points that keep their mask.

    `painted` and `cells` are rows and columns on every level, `levels` the chosen ones (-1: none).
    """
    kept = (levels >= 0) & ~painted_over(painted)
    kept &= first_of_equals(chosen_cells(cells, levels, labels), kept)
    strides = torch.tensor(LEVEL_STRIDES, device=levels.device)
    kept &= masks.sum(dim=(1, 2)) > strides[levels.clamp(min=0)]
    order = torch.argsort(maskness.where(kept, -1), descending=True, stable=True)
    order = order[: int(kept.sum())]
    order = order[mask_nms(masks[order], labels[order], MAX_IOU)][:MAX_MASKS]
    return torch.zeros_like(kept).index_fill(0, order, True)


def painted_over(cells: Int[Tensor, "P L 2"]) -> Bool[Tensor, " P"]:
    """Mark the points with a later one in the same cell on every level."""
    same = (cells[:, None] == cells[None, :]).all(dim=3)  # (P, P, L)
    later = same.permute(2, 0, 1).triu(diagonal=1)  # (L, P, P)
    return later.any(dim=2).all(dim=0)


def chosen_cells(
    cells: Int[Tensor, "P L 2"], levels: Int[Tensor, " P"], labels: Int[Tensor, " P"]
) -> Int[Tensor, "P 4"]:
    """Level, row, column and class that each point picked."""
    rows = torch.arange(len(levels), device=levels.device)
    return torch.cat([levels[:, None], cells[rows, levels.clamp(min=0)], labels[:, None]], dim=1)


def first_of_equals(keys: Int[Tensor, "P K"], counted: Bool[Tensor, " P"]) -> Bool[Tensor, " P"]:
    """Mark the rows that have no earlier row with the same key among the `counted` ones."""
    same = (keys[:, None] == keys[None, :]).all(dim=2) & counted[None, :]  # (P, P)
    return ~same.tril(diagonal=-1).any(dim=1)
