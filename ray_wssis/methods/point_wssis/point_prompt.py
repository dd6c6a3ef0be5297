"""One mask per annotated point (PointWSSIS, arXiv:2303.15062, "Adaptive Pyramid-Level Selection").

A teacher that learnt from few pictures misses objects and invents others.  A point already says
that an object of class c is at (x, y); what is left to find is its mask.  So the kernel of the
point's cell is read on every level, all masks are drawn in one product, and the level is kept
that is surest of the class and of the shape.

Differs from the paper: a point is one record from end to end.  Points are never merged, never
dropped by a mask NMS or a limit, and a point without a mask is reported as level -1
(`compat: reference` does as the published code, see `published_prompt`).

Legend: P points, L levels, S cells per grid side, C classes, E kernel channels, h w mask pixels.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from ray_wssis.methods.point_wssis.published_prompt import (
    cells_as_published,
    painted_cells,
    survivors,
)
from ray_wssis.models.compat import Compat
from ray_wssis.models.solov2 import SOLOv2Output
from ray_wssis.models.solov2_inference import draw, maskness

MASK_THRESHOLD = 0.5
POINTS_AT_ONCE = 64  # masks of all levels are drawn for so many points: some 100 MB at 800 pixels
NO_LEVEL = -1


@dataclass(frozen=True, kw_only=True)
class PointMasks:
    """One row per point, in the order in which the points were given."""

    masks: Tensor  # (P, h, w) float: probabilities at a quarter of the canvas
    level: Tensor  # (P,) int64: the pyramid level chosen, -1 where no level drew anything
    class_score: Tensor  # (P,) float: probability of the point's class in the chosen cell
    maskness: Tensor  # (P,) float: mean probability inside the mask


@torch.inference_mode()
def decode_points(
    output: SOLOv2Output,
    index: int,
    xy: Tensor,
    labels: Tensor,
    allowed: Tensor | None = None,
    compat: Compat = "fixed",
) -> PointMasks:
    """Masks for the points `xy` (P, 2) in network pixels of picture `index` of the batch.

    `labels` (P,) are classes 0..C-1; `allowed` (P, L) bool restricts the levels of each point.
    """
    height, width = output.canvas
    place = xy / xy.new_tensor([width, height])  # (P, 2), 0..1
    sides = [kernels.shape[-1] for kernels in output.kernels]
    find_cells = cells_of if compat == "fixed" else cells_as_published
    cells = find_cells(place, sides)  # (P, L, 2)
    reads = [
        read_cells(logits[index], kernels[index], cell, labels)
        for logits, kernels, cell in zip(
            output.class_logits, output.kernels, cells.unbind(dim=1), strict=True
        )
    ]
    class_score = torch.stack([score for score, _ in reads], dim=1)  # (P, L)
    kernels = torch.stack([kernel for _, kernel in reads], dim=1)  # (P, L, E)

    if allowed is not None:
        class_score = class_score * allowed
    features = output.mask_features[index]
    parts = [
        choose_levels(some_kernels, some_scores, features)
        for some_kernels, some_scores in zip(
            kernels.split(POINTS_AT_ONCE), class_score.split(POINTS_AT_ONCE), strict=True
        )
    ]
    masks = torch.cat([part.masks for part in parts])
    level = torch.cat([part.level for part in parts])
    sureness = torch.cat([part.maskness for part in parts])
    if compat == "reference":
        painted = painted_cells(place, sides)
        kept = survivors(painted, cells, level, labels, masks > MASK_THRESHOLD, sureness)
        level = level.where(kept, NO_LEVEL)
    return PointMasks(
        masks=masks,
        level=level,
        class_score=torch.cat([part.class_score for part in parts]),
        maskness=sureness,
    )


def choose_levels(kernels: Tensor, class_score: Tensor, mask_features: Tensor) -> PointMasks:
    """The masks of `kernels` (P, L, E) on the level that is surest of class and shape.

    `class_score` (P, L), 0 where a level may not answer; `mask_features` (E, h, w).
    """
    masks = draw(kernels.flatten(0, 1), mask_features)  # (P L, h, w)
    sureness = maskness(masks, masks > MASK_THRESHOLD).view_as(class_score)  # (P, L)
    score = class_score * sureness  # 0 where nothing was drawn
    best = score.argmax(dim=1)  # (P,), the finer level of equals
    rows = torch.arange(len(best), device=best.device)
    return PointMasks(
        masks=masks.view(*class_score.shape, *masks.shape[1:])[rows, best],
        level=best.where(score[rows, best] > 0, NO_LEVEL),
        class_score=class_score[rows, best],
        maskness=sureness[rows, best],
    )


def cells_of(place: Tensor, sides: list[int]) -> Tensor:
    """(P, L, 2) int64: row and column of the cell each point falls into; `place` (P, 2) is x, y
    in 0..1."""
    cells = [(place * side).long().clamp(0, side - 1) for side in sides]
    return torch.stack(cells, dim=1).flip(2)


def read_cells(
    class_logits: Tensor, kernels: Tensor, cell: Tensor, labels: Tensor
) -> tuple[Tensor, Tensor]:
    """Class probability (P,) and mask kernel (P, E) of the `cell` (P, 2) of each point.

    `class_logits` (C, S, S) and `kernels` (E, S, S) are those of one level.
    """
    row, column = cell.unbind(dim=1)
    return class_logits[labels, row, column].float().sigmoid(), kernels[:, row, column].T


def levels_of_size(box_sizes: Tensor, scale_ranges: tuple[tuple[float, float], ...]) -> Tensor:
    """(P, L) bool: the levels that a teacher of these scale ranges trains for boxes (P, 2) of
    (width, height) network pixels; all levels for a size outside every range."""
    scale = box_sizes.prod(dim=1).sqrt()[:, None]  # (P, 1)
    low, high = scale.new_tensor(scale_ranges).T  # (L,), (L,)
    inside: Tensor = (scale >= low) & (scale < high)
    anywhere: Tensor = inside.any(dim=1, keepdim=True)
    return inside | ~anywhere
