"""Pairs of cells that are surely alike or not, and the loss of what is taken for their affinity.

AffinityNet (arXiv:1803.10464, section 3.3), as IRNet uses it too (arXiv:1904.05044, section 4.2).
Class maps of activation maps are sure of some cells; pairs of those need nobody who draws.

Differs from the papers: pairs at the border of an image count too; a kind of pair that a batch does
not show adds nothing.

Legend: B images, h w cells, P pairs.
"""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from ray_wssis.data.class_maps.png import UNKNOWN
from ray_wssis.models.cell_pairs import ends

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


def mean_where(values: Float[Tensor, "B P"], marks: Bool[Tensor, "B P"]) -> Float[Tensor, ""]:
    """Return the mean of the marked values; 0 if there are none."""
    return torch.where(marks, values, 0).sum() / marks.sum().clamp(min=1)
