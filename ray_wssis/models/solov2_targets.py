"""Assignment of instances to cells (SOLOv2, arXiv:2003.10152; grid of SOLO, arXiv:1912.04488).

An instance belongs to the levels whose scale range holds sqrt(width * height) of its box.  On
each, the cells around its mass centre are positive: the box shrunk to a fifth, clipped to the
3 x 3 neighbours of the centre cell.

Differs from the paper: a cell claimed by several instances is given to the smallest of them, for
the class and for the mask alike, so no kernel is pulled towards two masks.

Legend: N instances of the whole batch, P positive cells, L levels, S cells per grid side.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

CENTRE_SIGMA = 0.2  # share of the box that is centre


@dataclass(frozen=True, kw_only=True)
class Instances:
    """The true instances of a batch; row i of every field is the same object."""

    image: Int[Tensor, " N"]  # position of its image in the batch
    labels: Int[Tensor, " N"]  # class 0..C-1
    centres: Float[Tensor, "N 2"]  # (x, y): mass centre of the mask, network pixels
    box_sizes: Float[Tensor, "N 2"]  # (width, height), network pixels
    masks: UInt8[Tensor, "N h w"]  # quarter-size masks on the padded canvas

    def moved(self, move: Callable[[Tensor], Tensor]) -> "Instances":
        return Instances(**{name: move(value) for name, value in vars(self).items()})


@dataclass(frozen=True, kw_only=True)
class Targets:
    """Positive cells of a batch; row i of every field is the same cell."""

    image: Int[Tensor, " P"]
    cell: Int[Tensor, " P"]  # position among all cells of all levels, row by row, fine to coarse
    instance: Int[Tensor, " P"]  # row of the batch's instances


def assign_cells(
    instances: Instances,
    canvas: tuple[int, int],
    grids: tuple[int, ...],
    scale_ranges: tuple[tuple[float, float], ...],
) -> Targets:
    """Assign cells of all levels to all instances, on a canvas of (height, width) pixels."""
    height, width = canvas
    scale = instances.box_sizes.prod(dim=1).sqrt()  # (N,)
    rows, offset = [], 0
    for side, (low, high) in zip(grids, scale_ranges, strict=True):
        chosen = torch.nonzero((scale >= low) & (scale < high)).squeeze(1)
        spans = torch.stack(
            [
                centre_cells(
                    instances.centres[chosen, axis], instances.box_sizes[chosen, axis], extent, side
                )
                for axis, extent in ((1, height), (0, width))
            ],
            dim=1,
        )  # (n, 2, 3): row candidates, column candidates; -1 where not positive
        row, column = torch.broadcast_tensors(spans[:, 0, :, None], spans[:, 1, None, :])
        positive = (row >= 0) & (column >= 0)  # (n, 3, 3)
        which = chosen[:, None, None].expand_as(positive)[positive]
        rows.append(torch.stack([offset + (row * side + column)[positive], which]))
        offset += side * side
    cell, instance = torch.cat(rows, dim=1)
    return settle(instances, cell, instance, offset)


def centre_cells(
    centre: Float[Tensor, " n"], extent: Float[Tensor, " n"], canvas: int, side: int
) -> Int[Tensor, "n 3"]:
    """Grid positions along one axis: before, at and after the centre cell, -1 if the shrunk box
    does not reach that cell."""
    here = (centre / canvas * side).long().clamp(0, side - 1)
    half = 0.5 * CENTRE_SIGMA * extent
    low = ((centre - half) / canvas * side).floor().long().clamp(min=0)
    high = ((centre + half) / canvas * side).floor().long().clamp(max=side - 1)
    around = here[:, None] + torch.tensor([-1, 0, 1], device=centre.device)
    return around.where((around >= low[:, None]) & (around <= high[:, None]), -1)


def settle(
    instances: Instances, cell: Int[Tensor, " P"], instance: Int[Tensor, " P"], num_cells: int
) -> Targets:
    """Give each contested cell to the smallest instance that claims it (ties: the later one)."""
    image = instances.image[instance]
    order = torch.argsort(instances.box_sizes.prod(dim=1), descending=True, stable=True)
    rank = torch.empty_like(order)
    rank[order] = torch.arange(len(order), device=order.device)  # the smallest ranks highest
    slot = image * num_cells + cell
    num_images = int(instances.image.max()) + 1 if len(instances.image) else 0
    winner = torch.full((num_images * num_cells,), -1, device=cell.device)
    winner.scatter_reduce_(0, slot, rank[instance], reduce="amax")
    kept = winner[slot] == rank[instance]
    return Targets(image=image[kept], cell=cell[kept], instance=instance[kept])
