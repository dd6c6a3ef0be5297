"""Losses of pairs of cells: boundaries between classes, displacements to centroids.

"Weakly Supervised Learning of Instance Segmentation with Inter-pixel Relations" (IRNet,
arXiv:1904.05044, section 4).  Class maps of activation maps are sure of some cells; pairs of those
are alike or not, and need neither a boundary nor a centroid that anybody has drawn.

Differs from the paper: pairs at the border of an image count too; a kind of pair that a batch does
not show adds nothing.

Legend: B images, h w cells, P pairs.
"""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from ray_wssis.data.class_maps.png import UNKNOWN
from ray_wssis.methods.irn.pairs import differences, ends

LEAST = 1e-5  # of what a logarithm is taken


class Kinds(NamedTuple):
    """Pairs of which both cells are sure."""

    background: Bool[Tensor, "B P"]  # both
    foreground: Bool[Tensor, "B P"]  # both of the same class
    different: Bool[Tensor, "B P"]


def kinds_of(class_maps: UInt8[Tensor, "B h w"], background: int, radius: int) -> Kinds:
    """Sort the pairs of sure cells by what their labels say; `background` is a label."""
    first, second = ends(class_maps, radius)
    sure = (first != UNKNOWN) & (second != UNKNOWN)
    alike = sure & (first == second)
    return Kinds(
        background=alike & (first == background),
        foreground=alike & (first != background),
        different=sure & (first != second),
    )


def affinity_loss(affinity: Float[Tensor, "B P"], kinds: Kinds) -> Float[Tensor, ""]:
    """Return a quarter of the cross entropy of each kind of alike pairs, and half that of different
    ones."""
    alike = -affinity.clamp(min=LEAST).log()
    different = -(1 - affinity).clamp(min=LEAST).log()
    return (
        mean_where(alike, kinds.background) / 4
        + mean_where(alike, kinds.foreground) / 4
        + mean_where(different, kinds.different) / 2
    )


def displacement_loss(
    field: Float[Tensor, "B 2 h w"], kinds: Kinds, radius: int
) -> Float[Tensor, ""]:
    """Return how far alike cells of a class point to different places, and how much displacements
    of the background differ, half each; in cells.

    `field` says how far down and to the right of a cell its centroid lies.
    """
    first, second = ends(field, radius)  # (B, 2, P)
    turned = first - second
    away = differences(radius, field.shape[-2], field.shape[-1], field.device)
    missed = (turned - away).abs().mean(dim=1)
    uneven = turned.abs().mean(dim=1)
    return (mean_where(missed, kinds.foreground) + mean_where(uneven, kinds.background)) / 2


def mean_where(values: Float[Tensor, "B P"], marks: Bool[Tensor, "B P"]) -> Float[Tensor, ""]:
    """Return the mean of the marked values; 0 if there are none."""
    return torch.where(marks, values, 0).sum() / marks.sum().clamp(min=1)
