"""A classifier as it learns the tags of images (arXiv:1512.04150).

The score of a class is the mean of its map over the image.  Background, which every image shows,
is no class here.

Legend: B images, K classes, h w cells of the maps.
"""

from collections.abc import Iterable, Mapping

from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, binary_cross_entropy_with_logits

from ray_wssis.methods.cam.config import ClassifierStage
from ray_wssis.models.classifier import Classifier
from ray_wssis.models.solov2_loss import across_workers
from ray_wssis.semantic.samples import Batch

TAGGED = "tagged"  # stream


class ClassifierLearner(nn.Module):
    """Maps a batch of images with tags to the loss of their scores."""

    def __init__(self, stage: ClassifierStage, num_classes: int, background: int | None) -> None:
        super().__init__()
        self.network = Classifier(stage.model.network, num_classes)
        self.is_class = [label != background for label in range(num_classes)]

    def forward(self, batches: Mapping[str, Batch]) -> dict[str, Tensor]:
        batch = batches[TAGGED]
        output = self.network(batch.images, batch.sizes)
        return {"tags": self.tag_loss(output.maps, batch)}

    def tag_loss(self, maps: Float[Tensor, "B K h w"], batch: Batch) -> Float[Tensor, ""]:
        """Return the mean over tagged images and classes of the multi-label soft margin loss."""
        scores = pooled(maps.float(), batch.inside)[:, self.is_class]
        wanted = batch.tags[:, self.is_class].float()
        losses = binary_cross_entropy_with_logits(scores, wanted, reduction="none").mean(dim=1)
        number = across_workers(batch.is_tagged.sum().float()).clamp(min=1)
        return (losses * batch.is_tagged).sum() / number

    def parameter_groups(self) -> dict[str, Iterable[nn.Parameter]]:
        return {
            "backbone": self.network.backbone.parameters(),
            "head": self.network.head.parameters(),
        }


def pooled(maps: Float[Tensor, "B K h w"], inside: Bool[Tensor, "B H W"]) -> Float[Tensor, "B K"]:
    """Return the mean of each map over the image; what lies beyond it counts as it is covered."""
    height, width = maps.shape[-2:]
    share = adaptive_avg_pool2d(inside[:, None].float(), (height, width))  # (B, 1, h, w)
    return (maps * share).sum(dim=(2, 3)) / share.sum(dim=(2, 3)).clamp(min=1e-6)
