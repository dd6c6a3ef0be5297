"""Pairs of cells of a grid that are near each other.

Every pair closer than a radius is there once: half of the disc around each cell names the other
end, and a pair at the border counts if both of its cells are on the grid.  Everything about pairs
is a flat tensor in one order, offset by offset.

Legend: h w cells of the grid, P pairs.
"""

import torch
from jaxtyping import Shaped
from torch import Tensor

Offset = tuple[int, int]  # cells down, cells to the right


def offsets(radius: int) -> list[Offset]:
    """List where the other ends of pairs lie: half of the disc, without its rim."""
    across = range(-radius + 1, radius)
    disc = [(y, x) for y in range(radius) for x in across if y * y + x * x < radius * radius]
    return [offset for offset in disc if offset > (0, 0)]


def path(offset: Offset) -> list[Offset]:
    """List the cells of a straight path from (0, 0) to `offset`, both ends included: those between
    the two that lie less than a cell off the line."""
    down, right = offset
    columns = range(min(0, right), max(0, right) + 1)
    return [
        (y, x)
        for y in range(down + 1)
        for x in columns
        if (down * x - right * y) ** 2 < down * down + right * right
    ]


def ends(
    maps: Shaped[Tensor, "*B h w"], radius: int
) -> tuple[Shaped[Tensor, "*B P"], Shaped[Tensor, "*B P"]]:
    """Read the values at the first and at the second end of every pair."""
    places = offsets(radius)
    first = [seen_from(maps, offset, (0, 0)).flatten(-2) for offset in places]
    second = [seen_from(maps, offset, offset).flatten(-2) for offset in places]
    return torch.cat(first, dim=-1), torch.cat(second, dim=-1)


def seen_from(
    maps: Shaped[Tensor, "*B h w"], offset: Offset, step: Offset
) -> Shaped[Tensor, "*B _ _"]:
    """Cut out the cells `step` away from the first ends of all pairs that are `offset` apart."""
    (down, right), (y, x) = offset, step
    height, width = maps.shape[-2:]
    rows, columns = max(0, height - down), max(0, width - abs(right))
    left = max(0, -right) + x
    return maps[..., y : y + rows, left : left + columns]


def differences(radius: int, height: int, width: int, device: torch.device) -> Tensor:
    """Return how far the second end of every pair lies from its first, (down, right): (2, P)."""
    grid = torch.stack(
        torch.meshgrid(
            torch.arange(height, device=device), torch.arange(width, device=device), indexing="ij"
        )
    )
    first, second = ends(grid, radius)
    return second - first
