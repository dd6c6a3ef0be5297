"""The loss of the tags, and maps that are compared with each other.

Legend: B images, K classes, h w cells of the maps, H W pixels.
"""

from collections.abc import Sequence

from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, binary_cross_entropy_with_logits

from ray_wssis.models.solov2_loss import across_workers
from ray_wssis.semantic.samples import Batch

Classes = Sequence[int]  # labels without background, which every image shows
SMALL = 1e-5


def tag_loss(maps: Float[Tensor, "B K h w"], batch: Batch, classes: Classes) -> Float[Tensor, ""]:
    """Return the mean over tagged images and classes of the multi-label soft margin loss.

    The score of a class is the mean of its map over the image.
    """
    scores = pooled(maps.float(), batch.inside)[:, classes]
    wanted = batch.tags[:, classes].float()
    losses = binary_cross_entropy_with_logits(scores, wanted, reduction="none").mean(dim=1)
    return (losses * batch.is_tagged).sum() / num_tagged(batch)


def pooled(maps: Float[Tensor, "B K h w"], inside: Bool[Tensor, "B H W"]) -> Float[Tensor, "B K"]:
    """Return the mean of each map over the image; what lies beyond it counts as it is covered."""
    share = shown(maps, inside)
    return (maps * share).sum(dim=(2, 3)) / share.sum(dim=(2, 3)).clamp(min=SMALL)


def shown(maps: Float[Tensor, "B K h w"], inside: Bool[Tensor, "B H W"]) -> Tensor:
    """Return what share of each cell shows the image: (B, 1, h, w)."""
    height, width = maps.shape[-2:]
    return adaptive_avg_pool2d(inside[:, None].float(), (height, width))


def num_tagged(batch: Batch) -> Tensor:
    """Return the mean number of tagged images of a worker, at least 1."""
    return across_workers(batch.is_tagged.sum().float()).clamp(min=1)


def of_tags(
    maps: Float[Tensor, "B K h w"], batch: Batch, classes: Classes
) -> Float[Tensor, "B C h w"]:
    """Bring the maps of the classes to 0..1, the highest value of each to 1; those that are no tag
    of a tagged image are 0."""
    positive = maps.float()[:, classes].relu()  # (B, C, h, w)
    highest = positive.amax(dim=(2, 3), keepdim=True).clamp(min=SMALL)
    marks = batch.tags[:, classes] & batch.is_tagged[:, None]
    return positive / highest * marks[:, :, None, None]
