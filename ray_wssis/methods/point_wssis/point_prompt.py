"""One mask per annotated point (PointWSSIS, arXiv:2303.15062, "Adaptive Pyramid-Level Selection").

A teacher that learnt from few images misses objects and invents others.  A point already says
that an object of class c is at (x, y); only its mask is left to find.  So the kernel of the
point's cell is read on every level, all masks are drawn in one product, and the level that is
surest of the class and of the shape is kept.

Differs from the paper: a point is one record from end to end.  Points are never merged, never
dropped by a mask NMS or a limit, and a point without a mask is reported as level -1
(`compat: reference` does as the published code, see `published_prompt`).  Of two points that pick
the same mask the weaker one picks again (`repick`), and an object may have more than one point
(`clicks`).

Legend: P points, Q of them and of the further positive clicks, L levels, S cells per grid side,
C classes, E kernel channels, h w mask pixels.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ray_wssis.data.records import Click
from ray_wssis.methods.point_wssis.all_points import AllPoints
from ray_wssis.methods.point_wssis.clicks import ClickTable, further_points
from ray_wssis.methods.point_wssis.parts import own_parts
from ray_wssis.methods.point_wssis.published_prompt import (
    cells_as_published,
    painted_cells,
    survivors,
)
from ray_wssis.methods.point_wssis.repick import NOTHING, Places, Words, choose_apart
from ray_wssis.models.compat import Compat
from ray_wssis.models.solov2 import SOLOv2Output
from ray_wssis.models.solov2_inference import draw, maskness, pack_bits

MASK_THRESHOLD = 0.5
POINTS_AT_ONCE = 64  # masks of all levels are drawn for so many points: some 100 MB at 800 pixels
SAME_MASK_IOU = 0.8  # two masks that overlap more are the same one
NO_LEVEL = -1

# Rates how well masks [Q L h w] agree with what is known of their objects [Q]: a factor [Q L].
Judge = Callable[[Bool[Tensor, "Q L h w"], Int[Tensor, " Q"]], Float[Tensor, "Q L"]]


@dataclass(frozen=True, kw_only=True)
class PointMasks:
    """One row per point, in the order in which the points were given.

    A row of level -1 has no mask; its other fields are those of its first choice of a level.
    """

    masks: Float[Tensor, "P h w"]  # probabilities at a quarter of the canvas
    level: Int[Tensor, " P"]  # the pyramid level chosen, -1 if no mask was left for it
    class_score: Float[Tensor, " P"]  # probability of the point's class in the chosen cell
    maskness: Float[Tensor, " P"]  # mean probability inside the mask
    margin: Float[Tensor, " P"]  # score of the level less that of the next best; 0 without a level


@dataclass(frozen=True, kw_only=True)
class Candidates:
    """The masks that Q points could have, one on every level."""

    class_score: Float[Tensor, "Q L"]  # 0 where a level may not answer
    maskness: Float[Tensor, "Q L"]
    score: Float[Tensor, "Q L"]  # 0 where nothing was drawn: the highest wins
    masks: Float[Tensor, "Q h w"]  # probabilities, of the best level of each point alone


@torch.inference_mode()
def decode_points(
    output: SOLOv2Output,
    index: int,
    xy: Float[Tensor, "P 2"],
    labels: Int[Tensor, " P"],
    allowed: Bool[Tensor, "P L"] | None = None,
    compat: Compat = "fixed",
    clicks: Sequence[Sequence[Click]] | None = None,
    max_iou: float = 1,
    heed_points: bool = False,
) -> PointMasks:
    """Draw masks for the points `xy` (x, y), network pixels, of image `index` of the batch.

    `labels` are classes 0..C-1; `allowed` restricts the levels of each point.  `clicks` are further
    ones on and off the object of each point, in network pixels.  A point whose mask overlaps that
    of a better one by more than `max_iou` takes its next best level.  With `heed_points`, a
    mask is the part with its point (`parts`), and how it agrees with the points of all objects
    counts (`all_points`).  `compat: reference` ignores these three.
    """
    height, width = output.canvas
    features = output.mask_features[index]
    mask_size = features.shape[-2], features.shape[-1]
    points, owner = xy, torch.arange(len(xy), device=xy.device)  # (Q, 2), (Q,)
    all_points = AllPoints.of(xy, mask_size) if heed_points and compat == "fixed" else None
    judges: list[Judge] = [] if all_points is None else [all_points.agreement]
    if clicks is not None and any(clicks) and compat == "fixed":
        points, owner = further_points(clicks, xy)
        judges.append(ClickTable.of(clicks, xy, mask_size).agreement)
    own_pixel = None if all_points is None else all_points.of_owners(owner)  # (Q,)

    place = points / points.new_tensor([width, height])  # (Q, 2), 0..1
    sides = [kernels.shape[-1] for kernels in output.kernels]
    find_cells = cells_of if compat == "fixed" else cells_as_published
    cells = find_cells(place, sides)  # (Q, L, 2)
    class_score, kernels = read_levels(output, index, cells, labels[owner])
    if allowed is not None:
        class_score = class_score * allowed[owner]
    found = draw_candidates(kernels, class_score, features, owner, own_pixel, judges)

    best = found.score.argmax(dim=1)  # (Q,), the finer level of equals
    if compat == "fixed" and len(points) > 1 and (max_iou < 1 or len(points) > len(xy)):
        point, level, masks = keep_apart(found, owner, own_pixel, kernels, features, max_iou)
    else:
        point, masks = owner, found.masks
        level = best.where(found.score.amax(dim=1) > 0, NO_LEVEL)
    shown = level.where(level >= 0, best[point])
    sureness = found.maskness[point, shown]
    if compat == "reference":
        painted, inside = painted_cells(place, sides), masks > MASK_THRESHOLD
        kept = survivors(painted, cells, level, labels, inside, sureness)
        level = level.where(kept, NO_LEVEL)
    return PointMasks(
        masks=masks,
        level=level,
        class_score=found.class_score[point, shown],
        maskness=sureness,
        margin=margins(found.score, owner, point, level),
    )


def read_levels(
    output: SOLOv2Output, index: int, cells: Int[Tensor, "Q L 2"], labels: Int[Tensor, " Q"]
) -> tuple[Float[Tensor, "Q L"], Float[Tensor, "Q L E"]]:
    """Read class probability and mask kernel in the cell of each point on each level."""
    reads = [
        read_cells(logits[index], kernels[index], cell, labels)
        for logits, kernels, cell in zip(
            output.class_logits, output.kernels, cells.unbind(dim=1), strict=True
        )
    ]
    class_score = torch.stack([score for score, _ in reads], dim=1)
    return class_score, torch.stack([kernel for _, kernel in reads], dim=1)


def draw_candidates(
    kernels: Float[Tensor, "Q L E"],
    class_score: Float[Tensor, "Q L"],
    mask_features: Float[Tensor, "E h w"],
    owner: Int[Tensor, " Q"],
    own_pixel: Int[Tensor, " Q"] | None,
    judges: Sequence[Judge],
) -> Candidates:
    """Draw the masks of `kernels`, a few points at a time, and score them.

    `class_score` is 0 where a level may not answer; `owner` are the objects of the points, which
    the `judges` ask for, and `own_pixel` where `draw_parts` looks for them.
    """
    best_masks, all_maskness, all_scores = [], [], []
    num_levels = class_score.shape[1]
    for rows in torch.arange(len(owner), device=owner.device).split(POINTS_AT_ONCE):
        chunk_scores = class_score[rows]
        pixel = None if own_pixel is None else own_pixel[rows].repeat_interleave(num_levels)
        masks, inside = draw_parts(kernels[rows].flatten(0, 1), mask_features, pixel)  # (q L, h, w)
        sureness = maskness(masks, inside).view_as(chunk_scores)  # (q, L)
        masks, inside = (  # (q, L, h, w)
            pixels.view(*chunk_scores.shape, *pixels.shape[1:]) for pixels in (masks, inside)
        )
        score = chunk_scores * sureness  # (q, L), 0 where nothing was drawn
        for judge in judges:
            score = score * judge(inside, owner[rows])
        best = torch.arange(len(score), device=score.device), score.argmax(dim=1)
        best_masks.append(cut(masks[best], inside[best]))
        all_maskness.append(sureness)
        all_scores.append(score)
    return Candidates(
        class_score=class_score,
        maskness=torch.cat(all_maskness),
        score=torch.cat(all_scores),
        masks=torch.cat(best_masks),
    )


def draw_parts(
    kernels: Float[Tensor, "N E"],
    mask_features: Float[Tensor, "E h w"],
    own_pixel: Int[Tensor, " N"] | None,
) -> tuple[Float[Tensor, "N h w"], Bool[Tensor, "N h w"]]:
    """Draw masks as probabilities, and mark the part of each with its `own_pixel`; all without."""
    masks = draw(kernels, mask_features)
    inside = masks > MASK_THRESHOLD
    if own_pixel is not None:
        parts = own_parts(inside.cpu().numpy(), own_pixel.cpu().numpy())
        inside = torch.from_numpy(parts).to(inside.device)
    return masks, inside


def cut(masks: Float[Tensor, "N h w"], inside: Bool[Tensor, "N h w"]) -> Float[Tensor, "N h w"]:
    """Set the probability of all parts to 0 that are not `inside`; borders stay soft."""
    return masks.where(inside | (masks <= MASK_THRESHOLD), 0)


def keep_apart(
    found: Candidates,
    owner: Int[Tensor, " Q"],
    own_pixel: Int[Tensor, " Q"] | None,
    kernels: Float[Tensor, "Q L E"],
    mask_features: Float[Tensor, "E h w"],
    max_iou: float,
) -> tuple[Int[Tensor, " P"], Int[Tensor, " P"], Float[Tensor, "P h w"]]:
    """Return point, level and mask of each object, no two masks with an IoU above `max_iou`.

    `owner` are the objects of the points, the first P of which are the objects' own.  An object to
    which nothing is left gets its own point, level -1, and the mask of its best level.
    """
    device = owner.device
    all_kernels = kernels.flatten(0, 1)  # (Q L, E)
    num_points, num_levels = found.score.shape

    def draw_some(candidates: Tensor) -> tuple[Tensor, Tensor]:
        pixel = None if own_pixel is None else own_pixel[candidates // num_levels]
        return draw_parts(all_kernels[candidates], mask_features, pixel)

    def draw_bits(candidates: Places) -> Words:
        wanted = torch.from_numpy(candidates).to(device).split(POINTS_AT_ONCE * num_levels)
        return pack_bits(torch.cat([draw_some(some)[1] for some in wanted]))

    score = found.score.cpu().numpy()
    drawn = np.arange(num_points) * num_levels + score.argmax(axis=1)  # as in `draw_candidates`
    chosen = choose_apart(
        score.ravel(),
        owner.cpu().numpy().repeat(num_levels),
        drawn,
        pack_bits(found.masks > MASK_THRESHOLD),
        draw_bits,
        max_iou,
    )
    has_one = chosen != NOTHING
    point = np.where(has_one, chosen // num_levels, np.arange(len(chosen)))
    level = np.where(has_one, chosen % num_levels, NO_LEVEL)
    moved = np.flatnonzero(has_one & (chosen != drawn[point]))
    points, levels = torch.from_numpy(point).to(device), torch.from_numpy(level).to(device)
    masks = found.masks if len(chosen) == num_points else found.masks[points]
    for rows in torch.from_numpy(moved).to(device).split(POINTS_AT_ONCE):
        masks[rows] = cut(*draw_some(points[rows] * num_levels + levels[rows]))
    return points, levels, masks


def margins(
    score: Float[Tensor, "Q L"],
    owner: Int[Tensor, " Q"],
    point: Int[Tensor, " P"],
    level: Int[Tensor, " P"],
) -> Float[Tensor, " P"]:
    """Lead of the chosen level of each object over its best other level, 0 without one.

    `score` is that of each candidate, `owner` its object; `point` and `level` are the chosen ones.
    A level with a higher score was taken by another object, and does not count.
    """
    own_level = level.clamp(min=0)[:, None]  # (P, 1)
    chosen = score[point].gather(1, own_level)
    others = torch.zeros_like(score[point])  # (P, L): the best candidate of each level
    others = others.scatter_reduce(0, owner[:, None].expand_as(score), score, "amax")
    others = others.scatter(1, own_level, 0)
    others = others.where(others <= chosen, 0)
    return (chosen[:, 0] - others.amax(dim=1)).where(level >= 0, 0)


def cells_of(place: Float[Tensor, "P 2"], sides: list[int]) -> Int[Tensor, "P L 2"]:
    """Row and column of the cell that each point falls into; `place` is x, y in 0..1."""
    cells = [(place * side).long().clamp(0, side - 1) for side in sides]
    return torch.stack(cells, dim=1).flip(2)


def read_cells(
    class_logits: Float[Tensor, "C S S"],
    kernels: Float[Tensor, "E S S"],
    cell: Int[Tensor, "P 2"],
    labels: Int[Tensor, " P"],
) -> tuple[Float[Tensor, " P"], Float[Tensor, "P E"]]:
    """Read class probability and mask kernel of the `cell` of each point on one level."""
    row, column = cell.unbind(dim=1)
    return class_logits[labels, row, column].float().sigmoid(), kernels[:, row, column].T


def levels_of_size(
    box_sizes: Float[Tensor, "P 2"], scale_ranges: tuple[tuple[float, float], ...]
) -> Bool[Tensor, "P L"]:
    """Mark the levels that a teacher of these scale ranges trains for boxes of (width, height)
    network pixels; all levels for a size outside every range."""
    scale = box_sizes.prod(dim=1).sqrt()[:, None]  # (P, 1)
    low, high = scale.new_tensor(scale_ranges).T  # (L,), (L,)
    inside: Tensor = (scale >= low) & (scale < high)
    anywhere: Tensor = inside.any(dim=1, keepdim=True)
    return inside | ~anywhere
