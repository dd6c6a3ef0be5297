"""ICD: a direction in feature space that parts each class from what surrounds it (Fan et al.,
"Learning integral objects with intra-class discriminator", CVPR 2020).

In images of one class alone, features vary most between the object and its background.  A unit
direction for each class learns to follow that variance, without moving the features; on which of
its sides the object lies, the activation maps say.  A branch learns to tell the sides apart, and
its scores are the maps at work.

Differs from the paper: scores are not averaged in superpixels.

Legend: B images, K classes, D channels, h w cells, H W pixels.
"""

import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, normalize

from ray_wssis.methods.cam.config import ICD
from ray_wssis.methods.cam.tag_loss import Classes, shown, tag_loss
from ray_wssis.models.classifier import Classifier
from ray_wssis.models.solov2_loss import across_workers
from ray_wssis.semantic.samples import Batch

DECAY = 0.9  # of the running means of the activation maps on either side


class IntraClassDiscriminator(nn.Module):
    sides: Float[Tensor, "K 2"]  # mean activation where scores are positive, and negative

    def __init__(self, config: ICD, classes: Classes, channels: int, num_classes: int) -> None:
        super().__init__()
        self.config = config
        self.classes = classes
        self.norm = nn.BatchNorm2d(channels, affine=False)  # features of mean 0
        self.directions = nn.Parameter(torch.randn(num_classes, channels))
        self.branch = nn.Conv2d(channels, num_classes, 1)
        self.register_buffer("sides", torch.zeros(num_classes, 2))

    def losses(self, classifier: Classifier, batch: Batch, num_steps: int) -> dict[str, Tensor]:
        output = classifier(batch.images, batch.sizes)
        features = self.norm(output.features.float())
        inside = shown(output.maps, batch.inside)
        shows = torch.zeros_like(batch.tags)  # (B, K)
        shows[:, self.classes] = (batch.tags & batch.is_tagged[:, None])[:, self.classes]
        alone = shows & (shows.sum(dim=1, keepdim=True) == 1)
        scores = self.scores(features.detach())  # (B, K, h, w)
        self.follow(output.maps.detach(), scores.detach(), alone, inside)
        weight = self.config.weight * (num_steps > self.config.warmup_steps)
        return {
            "tags": tag_loss(output.maps, batch, self.classes),
            "direction": -explained(scores, features.detach(), alone, inside),
            "branch": weight * self.branch_loss(features, scores.detach(), shows, inside),
        }

    def maps(
        self, classifier: Classifier, images: UInt8[Tensor, "B 3 H W"], sizes: Int[Tensor, "B 2"]
    ) -> Float[Tensor, "B K h w"]:
        scores: Tensor = self.branch(self.norm(classifier(images, sizes).features.float()))
        return scores

    def scores(self, features: Float[Tensor, "B D h w"]) -> Float[Tensor, "B K h w"]:
        """Project features on the direction of each class."""
        return torch.einsum("bdhw,kd->bkhw", features, normalize(self.directions, dim=1))

    def branch_loss(
        self,
        features: Float[Tensor, "B D h w"],
        scores: Float[Tensor, "B K h w"],
        shows: Bool[Tensor, "B K"],
        inside: Float[Tensor, "B 1 h w"],
    ) -> Float[Tensor, ""]:
        """Return the cross entropy of the branch with the sides, where those are clear."""
        turned = scores * torch.where(self.sides[:, 0] >= self.sides[:, 1], 1, -1)[:, None, None]
        largest = turned.abs().amax(dim=(2, 3), keepdim=True).clamp(min=1e-5)
        clear = (turned.abs() > self.config.clear * largest) & shows[:, :, None, None]
        wanted = (turned > 0).float()
        losses = binary_cross_entropy_with_logits(self.branch(features), wanted, reduction="none")
        counted = clear * inside
        return (losses * counted).sum() / across_workers(counted.sum()).clamp(min=1)

    @torch.no_grad()
    def follow(self, maps: Tensor, scores: Tensor, alone: Tensor, inside: Tensor) -> None:
        """Update the mean activation on either side of each class, from images of it alone."""
        if not self.training:
            return
        for side, there in enumerate((scores > 0, scores < 0)):
            counted = there * inside * alone[:, :, None, None]
            number = counted.sum(dim=(0, 2, 3))  # (K,)
            means = (maps.relu() * counted).sum(dim=(0, 2, 3)) / number.clamp(min=1)
            blended = DECAY * self.sides[:, side] + (1 - DECAY) * means
            self.sides[:, side] = torch.where(number > 0, blended, self.sides[:, side])


def explained(
    scores: Float[Tensor, "B K h w"],
    features: Float[Tensor, "B D h w"],
    alone: Bool[Tensor, "B K"],
    inside: Float[Tensor, "B 1 h w"],
) -> Float[Tensor, ""]:
    """Return what share of the variance, in images of one class, the directions explain."""
    counted = inside * alone[:, :, None, None]
    lengths = features.square().sum(dim=1, keepdim=True)  # (B, 1, h, w)
    return (scores.square() * counted).sum() / (lengths * counted).sum().clamp(min=1e-5)
