"""The points of an image as evidence about every mask.

A mask should hold the point of its object and none of the other objects.  Both are doubts and no
bans: the centroid of a ring lies beside it, and one object may stand in front of another.

Legend: P points, Q points that offer masks, L levels, h w mask pixels.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ray_wssis.methods.point_wssis.parts import WHOLE
from ray_wssis.models.solov2 import MASK_STRIDE

OUTSIDE = 0.1  # factor for a mask without the point of its object
FOREIGN = 0.25  # factor for each point of another object in it
LEAST_AGREEMENT = 1e-3  # a mask below it may still be the best there is


@dataclass(frozen=True)
class AllPoints:
    pixel: Int[Tensor, " P"]  # place in a flattened mask

    @classmethod
    def of(cls, xy: Float[Tensor, "P 2"], mask_size: tuple[int, int]) -> "AllPoints":
        """Find the pixels of points `xy` (x, y), network pixels, in masks of (height, width)."""
        last = torch.tensor(mask_size, device=xy.device) - 1
        row, column = (xy.flip(1) / MASK_STRIDE).long().clamp(min=0).minimum(last).unbind(dim=1)
        return cls(row * mask_size[1] + column)

    def of_owners(self, owner: Int[Tensor, " Q"]) -> Int[Tensor, " Q"]:
        """Return the pixel of the object of each point that offers masks, for `own_parts`.

        Objects with several points may have several parts: WHOLE.
        """
        num_points = torch.bincount(owner, minlength=len(self.pixel))
        return self.pixel.where(num_points == 1, WHOLE)[owner]

    def agreement(
        self, inside: Bool[Tensor, "Q L h w"], owner: Int[Tensor, " Q"]
    ) -> Float[Tensor, "Q L"]:
        """Rate how well masks agree with the points: above 0, at most 1.

        `owner` are the objects of the masks.  Another point on the pixel of the object's own says
        nothing.
        """
        hit = inside.flatten(2)[:, :, self.pixel]  # (Q, L, P)
        own = self.pixel[owner]  # (Q,)
        is_other = self.pixel[None, :] != own[:, None]  # (Q, P)
        num_foreign = (hit & is_other[:, None]).sum(dim=2)
        holds_own = hit[torch.arange(len(owner), device=owner.device), :, owner]
        return (FOREIGN**num_foreign * (OUTSIDE ** (~holds_own).long())).clamp(min=LEAST_AGREEMENT)
