"""SEAM: maps follow their image when it shrinks, and agree where it looks alike (arXiv:2004.04581).

Two views of an image, one of half its size, must give the same maps (equivariance).  A pixel
correlation module refines the maps of either by what looks alike, and the refined maps must agree
with those of the other view.

Differs from the paper: the small view has half the sides, not 0.3 of them; what lies beyond an
image counts nowhere.

Legend: B images, K classes, C of them no background, D channels, h w cells, n of them, H W pixels.
"""

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, avg_pool2d, interpolate, normalize

from ray_wssis.methods.cam.config import SEAM
from ray_wssis.methods.cam.tag_loss import Classes, num_tagged, of_tags, shown, tag_loss
from ray_wssis.models.classifier import Classifier, ClassifierOutput
from ray_wssis.semantic.samples import Batch

EMPTY = 0.25  # share of the cells, with the lowest scores, that are no object


class EquivariantCAM(nn.Module):
    def __init__(self, config: SEAM, classes: Classes, channels: int) -> None:
        super().__init__()
        self.config = config
        self.classes = classes
        self.reduce = nn.Conv2d(channels, config.width, 1, bias=False)

    def losses(self, classifier: Classifier, batch: Batch, num_steps: int) -> dict[str, Tensor]:
        whole = classifier(batch.images, batch.sizes)
        halved = avg_pool2d(batch.images.float(), 2).round().to(torch.uint8)
        small = classifier(halved, batch.sizes // 2)
        size = small.maps.shape[-2:]
        inside = shown(small.maps, batch.inside)
        first, second = (of_tags(output.maps, batch, self.classes) for output in (whole, small))
        first_refined = resized(self.refine(first, whole, batch.images), size)
        second_refined = self.refine(second, small, halved)
        first = resized(first, size)
        crossed = [
            hardest((refined - highest_alone(other.detach())).abs() * inside, self.config.hardest)
            for refined, other in ((first_refined, second), (second_refined, first))
        ]
        tags = [tag_loss(output.maps, batch, self.classes) for output in (whole, small)]
        empty = [lowest(refined) for refined in (first_refined, second_refined)]
        number, weight = num_tagged(batch), self.config.weight
        apart = ((first - second).abs() * inside).mean(dim=(1, 2, 3))
        return {
            "tags": torch.stack(tags).mean(),
            "empty": torch.stack(empty).mean(dim=0).sum() / number,
            "equivariance": weight * apart.sum() / number,
            "correlation": weight * torch.stack(crossed).sum(dim=0).sum() / number,
        }

    def maps(
        self, classifier: Classifier, images: UInt8[Tensor, "B 3 H W"], sizes: Int[Tensor, "B 2"]
    ) -> Float[Tensor, "B K h w"]:
        """Return the refined maps, scaled as the plain ones are."""
        output = classifier(images, sizes)
        highest = output.maps.amax(dim=(2, 3), keepdim=True).clamp(min=0)
        positive = output.maps.relu() / highest.clamp(min=1e-5)
        refined: Tensor = self.refine(positive, output, images) * highest
        return refined

    def refine(
        self, maps: Float[Tensor, "B C h w"], output: ClassifierOutput, images: Tensor
    ) -> Float[Tensor, "B C h w"]:
        """Give each cell the mean of the cells that look like it; the maps learn nothing here."""
        height, width = maps.shape[-2:]
        colours = adaptive_avg_pool2d(images.float() / 255, (height, width))
        seen = torch.cat([colours, self.reduce(output.features.detach())], dim=1)
        unit = normalize(seen.flatten(2).float(), dim=1)  # (B, D, n)
        alike = (unit.transpose(1, 2) @ unit).relu()  # (B, n, n)
        alike = alike / alike.sum(dim=1, keepdim=True).clamp(min=1e-5)
        refined: Tensor = (maps.detach().flatten(2) @ alike).unflatten(2, (height, width))
        return refined


def resized(maps: Float[Tensor, "B C _ _"], size: torch.Size) -> Float[Tensor, "B C _ _"]:
    return interpolate(maps, size=size, mode="bilinear", align_corners=False)


def highest_alone(maps: Float[Tensor, "B C h w"]) -> Float[Tensor, "B C h w"]:
    """Keep the highest class of each cell; the others become 0."""
    return maps * (maps == maps.amax(dim=1, keepdim=True))


def hardest(values: Float[Tensor, "B C h w"], share: float) -> Float[Tensor, " B"]:
    """Return the mean of the largest values of each image."""
    flat = values.flatten(1)
    return flat.topk(max(1, int(share * flat.shape[1])), dim=1).values.mean(dim=1)


def lowest(maps: Float[Tensor, "B C h w"]) -> Float[Tensor, " B"]:
    """Return the mean of the lowest best scores of each image."""
    best = maps.amax(dim=1).flatten(1)
    return best.topk(max(1, int(EMPTY * best.shape[1])), dim=1, largest=False).values.mean(dim=1)
