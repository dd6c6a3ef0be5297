"""Candidates out of activation maps: each class cut by centroids, spread by the walk, and drawn.

IRNet (arXiv:1904.05044, section 5).  Every pair of a class and a centroid is a candidate, whose
scores walk on their own; pixels choose among candidates and the background.

Differs from the paper: candidates whose scores never reach the background's are not walked;
fragments are left out, where published code keeps them with a score of 0.

Legend: K classes, M candidates, h w cells, H W pixels of the image.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import interpolate

from ray_wssis.methods.irn.config import InstancesConfig
from ray_wssis.methods.irn.walk import walk


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
    walked = walk(parts, chances, steps)
    if not own or not float(walked.max()) > 0:
        return []
    best, choice = drawn(walked / walked.max(), size, config.background)
    found = []
    for candidate in np.unique(choice[choice >= 0]).tolist():
        for mask in pieces(choice == candidate, config.least_area):
            score = float(best[mask].max())
            found.append(Instance(label=own[candidate], score=score, mask=mask))
    return sorted(found, key=lambda instance: -instance.score)


def drawn(
    scores: Float[Tensor, "M h w"], size: tuple[int, int], background: float
) -> tuple[Float[np.ndarray, "H W"], Int[np.ndarray, "H W"]]:
    """Return the highest score of each pixel and its candidate; -1 is the background."""
    best = torch.full(size, background, device=scores.device)
    choice = torch.full(size, -1, device=scores.device)
    for candidate, cells in enumerate(scores):  # one after the other: there may be many
        own = interpolate(cells[None, None], size=size, mode="bilinear", align_corners=False)[0, 0]
        choice[own > best] = candidate
        best = best.maximum(own)
    return best.cpu().numpy(), choice.cpu().numpy()


def pieces(mask: Bool[np.ndarray, "H W"], least_area: float) -> list[Bool[np.ndarray, "H W"]]:
    """Return the connected parts of a mask that fill at least `least_area` of the image."""
    number, regions, measured, _ = cv2.connectedComponentsWithStats(
        mask.astype(np.uint8), connectivity=8
    )
    large = measured[:, cv2.CC_STAT_AREA] >= least_area * mask.size
    return [regions == region for region in range(1, number) if large[region]]
