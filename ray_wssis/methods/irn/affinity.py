"""Affinities of near cells: how likely both belong to the same thing.

IRNet ("Weakly Supervised Learning of Instance Segmentation with Inter-pixel Relations",
arXiv:1904.05044, section 4.2) looks for a boundary on the way from one to the other.

Differs from the paper: pairs at the border of an image count too.

Legend: B images, h w cells, P pairs.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from ray_wssis.models.cell_pairs import offsets, path, seen_from


def boundary_affinity(boundary: Float[Tensor, "*B h w"], radius: int) -> Float[Tensor, "*B P"]:
    """Return 1 less the strongest boundary, 0..1, on the straight path between the two cells."""
    strongest = []
    for offset in offsets(radius):
        on_path = [seen_from(boundary, offset, step) for step in path(offset)]
        strongest.append(torch.stack(on_path).amax(dim=0).flatten(-2))
    return 1 - torch.cat(strongest, dim=-1)
