"""Instances by their centroids: cells that are led to the same place belong together.

IRNet (arXiv:1904.05044, section 5.1): every cell follows the displacement field until it stands
still.  Where the field is short, a centroid is near; connected cells of short displacements are one
centroid.

Legend: h w cells, (down, right) coordinates.
"""

import cv2
import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import grid_sample

STEPS = 300  # along the field
SHORT = 2.5  # cells; shorter displacements are near a centroid


def follow(field: Float[Tensor, "2 h w"], steps: int = STEPS) -> Float[Tensor, "2 h w"]:
    """Return the place on the grid, in cells, that each cell is led to."""
    height, width = field.shape[1:]
    last = torch.tensor([height - 1.0, width - 1.0], device=field.device)
    rows, columns = (torch.arange(side, device=field.device) for side in (height, width))
    places = torch.stack(torch.meshgrid(rows, columns, indexing="ij"), dim=-1).float()
    for _ in range(steps):
        # -1..1 is the whole grid for `grid_sample`, and its coordinates begin with the one across.
        spread = (2 * places / last.clamp(min=1) - 1).flip(-1)
        here = grid_sample(field[None], spread[None], padding_mode="border", align_corners=True)
        places = (places + here[0].permute(1, 2, 0)).clamp(min=0).minimum(last)
    return places.permute(2, 0, 1)


def grouped(field: Float[Tensor, "2 h w"], short: float = SHORT) -> Int[Tensor, "h w"]:
    """Number the cells 0, 1, ... by the centroid that they are led to.

    Cells that are led to no centroid are a group of their own.
    """
    is_near = (field.norm(dim=0) < short).cpu().numpy().astype(np.uint8)
    regions = torch.from_numpy(cv2.connectedComponents(is_near, connectivity=4)[1])
    down, right = follow(field).round().long().cpu()
    _, numbers = torch.unique(regions[down, right], return_inverse=True)
    return torch.as_tensor(numbers, device=field.device)
