"""Agreement of masks with several clicks on one object and beside it.

Every positive click, the object's point among them, may offer masks of its own cells.  A mask
agrees with the clicks by the share of the positive ones that it holds times the share of the
negative ones that it leaves out.  A mask that does not agree at all is still better than none.
If an object has its point and no other click, every mask agrees.

Legend: P objects, K clicks of an object at most, Q points that offer masks, L levels, h w mask
pixels.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ray_wssis.data.records import Click
from ray_wssis.methods.point_wssis.all_points import LEAST_AGREEMENT
from ray_wssis.models.solov2 import MASK_STRIDE


def further_points(
    clicks: Sequence[Sequence[Click]], xy: Float[Tensor, "P 2"]
) -> tuple[Float[Tensor, "Q 2"], Int[Tensor, " Q"]]:
    """Append all positive clicks to the points `xy`; the second tensor is the object of each."""
    further = [(i, click) for i, own in enumerate(clicks) for click in own if click.positive]
    places = xy.new_tensor([(click.x, click.y) for _, click in further]).view(-1, 2)
    owners = torch.tensor([i for i, _ in further], dtype=torch.int64, device=xy.device)
    return torch.cat([xy, places]), torch.cat([torch.arange(len(xy), device=xy.device), owners])


@dataclass(frozen=True, kw_only=True)
class ClickTable:
    """The clicks of P objects, each object's point in front of them.

    Columns that an object does not fill, and the point of an object without clicks, are neither
    positive nor negative.
    """

    pixel: Int[Tensor, "P K 2"]  # row and column in a mask
    positive: Bool[Tensor, "P K"]
    negative: Bool[Tensor, "P K"]

    @classmethod
    def of(
        cls, clicks: Sequence[Sequence[Click]], xy: Float[Tensor, "P 2"], mask_size: tuple[int, int]
    ) -> "ClickTable":
        """Tabulate `clicks` and points `xy` (x, y), both in network pixels."""
        longest = 1 + max(map(len, clicks))
        place = torch.zeros(len(clicks), longest, 2)  # x, y
        positive = torch.zeros(len(clicks), longest, dtype=torch.bool)
        negative = torch.zeros_like(positive)
        for i, own in enumerate(clicks):
            if own:
                sides = torch.tensor([True, *(click.positive for click in own)])
                place[i, 1 : len(sides)] = torch.tensor([(click.x, click.y) for click in own])
                positive[i, : len(sides)] = sides
                negative[i, : len(sides)] = ~sides
        device = xy.device
        place = place.to(device)
        place[:, 0] = xy
        last = torch.tensor(mask_size, device=device) - 1
        pixel = (place.flip(2) / MASK_STRIDE).long().clamp(min=0).minimum(last)
        return cls(pixel=pixel, positive=positive.to(device), negative=negative.to(device))

    def agreement(
        self, inside: Bool[Tensor, "Q L h w"], owner: Int[Tensor, " Q"]
    ) -> Float[Tensor, "Q L"]:
        """Rate how well masks agree with the clicks of their objects: above 0, at most 1.

        `owner` are the objects.
        """
        row, column = self.pixel[owner].unbind(dim=2)  # (Q, K)
        mask = torch.arange(len(inside), device=inside.device)[:, None]
        hit = inside[mask, :, row, column]  # (Q, K, L)
        held, left_out = share(hit, self.positive[owner]), share(~hit, self.negative[owner])
        return (held * left_out).clamp(min=LEAST_AGREEMENT)


def share(right: Bool[Tensor, "Q K L"], counted: Bool[Tensor, "Q K"]) -> Float[Tensor, "Q L"]:
    """Return the share of the `counted` clicks that are `right`; 1 if none is counted."""
    num = counted.sum(dim=1, keepdim=True)  # (Q, 1)
    num_right = (right & counted[:, :, None]).sum(dim=1)
    return (num_right / num.clamp(min=1)).where(num > 0, 1)
