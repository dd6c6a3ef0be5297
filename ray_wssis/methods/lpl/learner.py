"""Learning Pseudo Labels: few class maps, and tags for all other images.

"Learning pseudo labels for semi-and-weakly supervised semantic segmentation" (Wang et al., Pattern
Recognition 2022).  Two networks of the same shape learn together.  *Hybrid* learns from the true
class maps.  *Pseudo* learns only from what hybrid sees in the tagged images, so the true class
maps can judge it; as far as it proves itself there, it teaches hybrid in turn ("Progressive Cross
Training").  Tags enter the loss: a pixel's softmax runs over the classes that its image may show
("Class-aware Cross Entropy"), so nothing is spent on telling apart what never occurs together.

Differs from the paper: the tags restrict the logits before a log-softmax, which stays finite at
half precision; what lies beyond an image is never learnt; strong images are not drawn a second
time as weak ones, from which their true class maps would leak into *pseudo*; the multi-label loss
covers every class that has tags, the background included.

On request weak images begin with labels that something else drew, for instance class activation
maps: they teach *hybrid* as far as *pseudo* is not trusted.

Legend: B images, n of them strong, K classes, h w pixels of the logits, H W of the labels.
"""

from collections.abc import Iterable, Mapping

import torch
import torch.distributed
from jaxtyping import Bool, Float, UInt8
from torch import Tensor, nn
from torch.nn.functional import multilabel_soft_margin_loss

from ray_wssis.data.class_maps.png import UNKNOWN
from ray_wssis.models.semantic_network import create_network
from ray_wssis.semantic.learner import STRONG, parameter_groups
from ray_wssis.semantic.loss import choices, masked, pixel_cross_entropy
from ray_wssis.semantic.samples import Batch
from ray_wssis.semantic.segmenter import restrict
from ray_wssis.semantic.segmenter_config import SemanticConfig

WEAK = "weak"  # stream
DECAY = 0.99  # of the counts that judge the pseudo network, per step
POWER = 8  # of the IoU of the worst class of an image


class LPLLearner(nn.Module):
    """Maps a batch of strong and one of weak images to the four losses of the paper, and a fifth if
    weak images begin with labels."""

    def __init__(
        self, config: SemanticConfig, num_classes: int, *, has_first_labels: bool = False
    ) -> None:
        super().__init__()
        self.hybrid = create_network(config.network, num_classes)
        self.pseudo = create_network(config.network, num_classes)
        self.judge = Judge(num_classes)
        self.has_first_labels = has_first_labels

    def forward(self, batches: Mapping[str, Batch]) -> dict[str, Tensor]:
        strong, weak = batches[STRONG], batches[WEAK]
        images, sizes = (
            torch.cat([getattr(strong, name), getattr(weak, name)]) for name in ("images", "sizes")
        )
        tags = torch.cat([strong.tags, weak.tags])  # (B, K)
        is_tagged = torch.cat([strong.is_tagged, weak.is_tagged])
        n = len(strong.images)
        hybrid = self.hybrid(images, sizes).logits[0]  # (B, K, h, w)
        pseudo = self.pseudo(images, sizes).logits[0]
        mine, theirs = restrict(hybrid, tags), restrict(pseudo, tags)
        self.judge.count(choices(theirs[:n], strong.class_maps.shape[-2:]), strong.class_maps)
        size, trust = weak.inside.shape[-2:], self.judge.trust(weak.tags)
        losses = {
            "strong": pixel_cross_entropy(mine[:n], strong.class_maps),
            "teach": pixel_cross_entropy(theirs[n:], masked(choices(mine[n:], size), weak.inside)),
            "tags": tag_loss(hybrid, tags, is_tagged),
            "cross": pixel_cross_entropy(
                mine[n:], masked(choices(theirs[n:], size), weak.inside), trust
            ),
        }
        if self.has_first_labels:
            losses["first"] = pixel_cross_entropy(mine[n:], weak.class_maps, 1 - trust)
        return losses

    def parameter_groups(self) -> dict[str, Iterable[nn.Parameter]]:
        return parameter_groups([self.hybrid, self.pseudo])


class Judge(nn.Module):
    """Running agreement of the pseudo network with the true class maps ("Progressive Cross
    Training"), the same on all workers."""

    counts: Float[Tensor, "3 K"]  # pixels of each class: true, predicted, both

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        counts = torch.zeros(3, num_classes)
        counts[0] = 1  # no class is trusted before it was seen
        self.register_buffer("counts", counts)

    @torch.no_grad()
    def count(self, predicted: UInt8[Tensor, "n H W"], truth: UInt8[Tensor, "n H W"]) -> None:
        known = truth != UNKNOWN
        true, guess = truth[known].long(), predicted[known].long()
        kinds = (true, guess, true[true == guess])
        new = torch.stack([torch.bincount(kind, minlength=self.counts.shape[1]) for kind in kinds])
        new = new.to(self.counts)
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            torch.distributed.all_reduce(new)
        self.counts.mul_(DECAY).add_(new)

    def trust(self, tags: Bool[Tensor, "m K"]) -> Float[Tensor, " m"]:
        """Return IoU ** POWER of the worst class that each image may show, 0..1."""
        true, predicted, both = self.counts
        iou = both / (true + predicted - both)  # (K,)
        worst: Tensor = iou.expand(tags.shape).masked_fill(~tags, 1).amin(dim=1)
        return worst**POWER


def tag_loss(
    logits: Float[Tensor, "B K h w"], tags: Bool[Tensor, "B K"], is_tagged: Bool[Tensor, " B"]
) -> Float[Tensor, ""]:
    """Return the multi-label loss of the highest logits; images without tags have none."""
    highest = logits.float().amax(dim=(2, 3))  # (B, K)
    losses = multilabel_soft_margin_loss(highest, tags.float(), reduction="none")  # (B,)
    return (losses * is_tagged).mean()
