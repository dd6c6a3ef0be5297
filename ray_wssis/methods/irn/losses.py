"""The loss of displacements to centroids.

"Weakly Supervised Learning of Instance Segmentation with Inter-pixel Relations" (IRNet,
arXiv:1904.05044, section 4.3).  Pairs of cells of one class most likely are of one object, and no
centroid is needed that anybody has drawn.

Differs from the paper: pairs at the border of an image count too.

Legend: B images, h w cells, P pairs.
"""

from jaxtyping import Float
from torch import Tensor

from ray_wssis.models.cell_pairs import differences, ends
from ray_wssis.models.pair_loss import Kinds, mean_where


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
