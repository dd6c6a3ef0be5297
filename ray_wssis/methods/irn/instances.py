"""Class maps and instances out of activation maps, which the walk spreads.

IRNet (arXiv:1904.05044, section 5).  For instances, each class is cut by centroids: every pair of
both is a candidate, whose scores walk on their own.  Pixels choose among candidates, or classes,
and the background.

Differs from the paper: candidates whose scores never reach the background's are not walked;
fragments are left out, where published code keeps them with a score of 0.

Legend: K classes, M candidates, h w cells, H W pixels of the image.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import interpolate

from ray_wssis.methods.irn.config import InstancesConfig
from ray_wssis.models.affinity_walk import walk

SMALL = 1e-12


@dataclass(frozen=True, kw_only=True)
class Instance:
    label: int
    score: float  # of its surest pixel, 0..1
    mask: Bool[np.ndarray, "H W"]


def candidates(
    scores: Float[Tensor, "K h w"],
    labels: Sequence[int],
    groups: Int[Tensor, "h w"],
    least: float,
) -> tuple[Float[Tensor, "M h w"], list[int]]:
    """Cut the scores of each class by groups of cells; also return the label of each part.

    Parts that nowhere have a score above `least` are left out.
    """
    parts, own = [], []
    for label, of_class in zip(labels, scores, strict=True):
        for group in groups[of_class > least].unique():
            parts.append(torch.where(groups == group, of_class, 0))
            own.append(label)
    if not parts:
        return scores.new_zeros((0, *groups.shape)), []
    return torch.stack(parts), own


def find_instances(
    scores: Float[Tensor, "K h w"],
    labels: Sequence[int],
    groups: Int[Tensor, "h w"],
    chances: Tensor,
    steps: int,
    size: tuple[int, int],
    config: InstancesConfig,
) -> list[Instance]:
    """Find the instances of an image of `size` (height, width), the surest first.

    `scores` of the classes `labels` are 0..1, and `groups` number the cells by their centroid.
    """
    parts, own = candidates(scores, labels, groups, config.background)
    walked = highest_is_1(walk(parts, chances, steps))
    pixels = choose(walked, size, config.background)
    found = []
    for candidate in np.unique(pixels.choice[pixels.choice >= 0]).tolist():
        for mask in pieces(pixels.choice == candidate, config.least_area):
            score = float(pixels.best[mask].max())
            found.append(Instance(label=own[candidate], score=score, mask=mask))
    return sorted(found, key=lambda instance: -instance.score)


class Pixels(NamedTuple):
    """Choices of the pixels of an image."""

    choice: Int[np.ndarray, "H W"]  # the candidate; -1: the background
    best: Float[np.ndarray, "H W"]  # its score
    share: Float[np.ndarray, "H W"]  # of the best in the sum of all scores, the background's too


def choose(scores: Float[Tensor, "M h w"], size: tuple[int, int], background: float) -> Pixels:
    """Choose for each pixel of an image of `size` (height, width) the candidate, or the background,
    of the highest score."""
    best = torch.full(size, background, device=scores.device)
    total = best.clone()
    choice = torch.full(size, -1, device=scores.device)
    for candidate, cells in enumerate(scores):  # one after the other: there may be many
        own = interpolate(cells[None, None], size=size, mode="bilinear", align_corners=False)[0, 0]
        choice[own > best] = candidate
        best = best.maximum(own)
        total += own
    share = best / total.clamp(min=SMALL)
    return Pixels(choice.cpu().numpy(), best.cpu().numpy(), share.cpu().numpy())


def highest_is_1(scores: Float[Tensor, "M h w"]) -> Float[Tensor, "M h w"]:
    """Divide by the highest score of all; zeros stay."""
    return scores / scores.max().clamp(min=SMALL) if len(scores) else scores


def pieces(mask: Bool[np.ndarray, "H W"], least_area: float) -> list[Bool[np.ndarray, "H W"]]:
    """Return the connected parts of a mask that fill at least `least_area` of the image."""
    number, regions, measured, _ = cv2.connectedComponentsWithStats(
        mask.astype(np.uint8), connectivity=8
    )
    large = measured[:, cv2.CC_STAT_AREA] >= least_area * mask.size
    return [regions == region for region in range(1, number) if large[region]]
