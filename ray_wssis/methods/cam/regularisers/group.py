"""Group-wise semantic mining: images that share a class explain each other (arXiv:2012.05007).

Every image of a batch has partners, those with which it shares most tags.  Their maps are brought
to it, each cell taking those of the cells that look like it, and change its own; the classifier
must be right before and after.

Differs from the paper: a single round, without a recurrent unit and dropped cells; at work an image
is alone, so its maps do not hang on others.

Legend: B images, K classes, D channels, h w cells, n of them, H W pixels.
"""

import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor, nn

from ray_wssis.methods.cam.config import Group
from ray_wssis.methods.cam.tag_loss import Classes, shown, tag_loss
from ray_wssis.models.classifier import Classifier
from ray_wssis.semantic.samples import Batch

NUM_PARTNERS = 2
BEFORE = 0.4  # weight of the loss before the partners' maps


class GroupMining(nn.Module):
    def __init__(self, config: Group, classes: Classes, channels: int, num_classes: int) -> None:
        super().__init__()
        self.classes = classes
        self.compare = nn.Conv2d(channels, config.width, 1, bias=False)
        self.join = nn.Conv2d(NUM_PARTNERS * num_classes, num_classes, 3, padding=1, bias=False)

    def losses(self, classifier: Classifier, batch: Batch, num_steps: int) -> dict[str, Tensor]:
        output = classifier(batch.images, batch.sizes)
        chosen = partners(batch.tags[:, self.classes])  # (B, 2)
        compared = self.compare(output.features).flatten(2).float()  # (B, D, n)
        there = shown(output.maps, batch.inside).flatten(2) > 0  # (B, 1, n)
        brought = [
            bring(output.maps[other], compared[other], there[other], compared)
            for other in chosen.unbind(dim=1)
        ]
        after = output.maps + self.join(torch.cat(brought, dim=1))
        return {
            "tags": tag_loss(after, batch, self.classes),
            "before": BEFORE * tag_loss(output.maps, batch, self.classes),
        }

    def maps(
        self, classifier: Classifier, images: UInt8[Tensor, "B 3 H W"], sizes: Int[Tensor, "B 2"]
    ) -> Float[Tensor, "B K h w"]:
        maps: Tensor = classifier(images, sizes).maps
        return maps


def partners(tags: Bool[Tensor, "B C"]) -> Int[Tensor, "B 2"]:
    """Choose the two other images that share most tags, of equal ones the next in the batch.

    In a batch of fewer than three an image is its own partner too.
    """
    number = len(tags)
    shared = tags.float() @ tags.float().T  # (B, B)
    places = torch.arange(number, device=tags.device)
    away = (places - places[:, None]) % number  # 0: the image itself
    order = torch.where(away == 0, -1.0, shared - away / (number + 1))
    chosen = order.topk(min(NUM_PARTNERS, number), dim=1).indices
    return chosen.repeat(1, NUM_PARTNERS)[:, :NUM_PARTNERS]


def bring(
    maps: Float[Tensor, "B K h w"],
    theirs: Float[Tensor, "B D n"],
    there: Bool[Tensor, "B 1 n"],
    own: Float[Tensor, "B D n"],
) -> Float[Tensor, "B K h w"]:
    """Give each cell of an image the partner's maps where it looks like it; only what is `there`,
    inside the partner, counts."""
    alike = (own.transpose(1, 2) @ theirs) / own.shape[1] ** 0.5  # (B, n, n)
    alike = alike.masked_fill(~there, -torch.inf)
    moved = maps.flatten(2).float() @ alike.softmax(dim=2).transpose(1, 2)  # (B, K, n)
    brought: Tensor = moved.unflatten(2, maps.shape[-2:])
    return brought
