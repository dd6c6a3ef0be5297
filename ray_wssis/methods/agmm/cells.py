"""Sparse labels on the grid of the logits: all terms but the cross entropy work there.

Legend: B images, K classes, h w cells, H W pixels, several to a cell.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from ray_wssis.data.class_maps.png import UNKNOWN


@dataclass(frozen=True, kw_only=True)
class Cells:
    annotated: Float[Tensor, "B K h w"]  # pixels of each class that somebody annotated
    inside: Float[Tensor, "B h w"]  # share of the cell that shows the image

    @property
    def present(self) -> Bool[Tensor, "B K"]:
        """Mark the classes with an annotated pixel inside the crop."""
        return self.annotated.sum(dim=(2, 3)) > 0


def count_cells(
    labels: UInt8[Tensor, "B H W"], inside: Bool[Tensor, "B H W"], logits: Float[Tensor, "B K h w"]
) -> Cells:
    """Count the annotated pixels of each cell of the logits; H and W are multiples of h and w."""
    images, classes, rows, columns = logits.shape
    height, width = labels.shape[-2:]
    device = labels.device
    label = torch.where(inside & (labels != UNKNOWN), labels.long(), classes)  # K: nobody said
    image = torch.arange(images, device=device)[:, None, None]
    row = (torch.arange(height, device=device) // (height // rows))[:, None]
    column = torch.arange(width, device=device) // (width // columns)
    place = ((image * (classes + 1) + label) * rows + row) * columns + column  # (B, H, W)
    counts = torch.zeros(images * (classes + 1) * rows * columns, device=device)
    counts.index_add_(0, place.flatten(), torch.ones(place.numel(), device=device))
    return Cells(
        annotated=counts.view(images, classes + 1, rows, columns)[:, :classes],
        inside=adaptive_avg_pool2d(inside.float(), (rows, columns)),
    )
