"""Mean teacher (Tarvainen and Valpola, NeurIPS 2017, arXiv:1703.01780), for segmentation.

The student learns from the strong images, and to see in a changed image what its teacher, the
running mean of its weights, sees in the image as it is.  The teacher is served.

Differs from the paper: each pixel is an input; what lies beyond an image does not count.

Legend: B images, n of them strong, K classes, h w pixels of the logits, H W of the images.
"""

import math
from collections.abc import Iterable, Mapping

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn.functional import interpolate

from ray_wssis.methods.semi_supervised.config import MeanTeacher
from ray_wssis.methods.semi_supervised.cps import UNLABELLED
from ray_wssis.methods.semi_supervised.strong_view import strong_view
from ray_wssis.methods.semi_supervised.teacher import Teacher
from ray_wssis.models.semantic_network import SemanticNetwork, create_network
from ray_wssis.models.solov2_loss import across_workers
from ray_wssis.semantic.learner import STRONG, parameter_groups
from ray_wssis.semantic.loss import pixel_cross_entropy
from ray_wssis.semantic.samples import Batch
from ray_wssis.semantic.segmenter_config import SemanticConfig


class MeanTeacherLearner(nn.Module):
    """Maps a batch of strong and one of unlabelled images to two losses."""

    def __init__(self, config: SemanticConfig, method: MeanTeacher, num_classes: int) -> None:
        super().__init__()
        self.student = create_network(config.network, num_classes)
        self.teacher = Teacher(self.student, method.decay)
        self.method = method

    @property
    def served(self) -> SemanticNetwork:
        return self.teacher.network

    def forward(self, batches: Mapping[str, Batch]) -> dict[str, Tensor]:
        strong, other = batches[STRONG], batches[UNLABELLED]
        if self.training:
            self.teacher.follow(self.student)
        wanted = self.teacher(other.images, other.sizes).logits[0]  # (B - n, K, h, w)
        images = torch.cat([strong.images, strong_view(other.images, self.method.strong_view)])
        sizes = torch.cat([strong.sizes, other.sizes])
        logits = self.student(images, sizes).logits[0]  # (B, K, h, w)
        n = len(strong.images)
        return {
            "strong": pixel_cross_entropy(logits[:n], strong.class_maps),
            "consistency": self.weight() * distance(logits[n:], wanted, other.inside),
        }

    def weight(self) -> float:
        """Return the weight of this step: it rises as exp(-5 (1 - t)^2), as in the paper."""
        progress = min(1, self.teacher.num_steps / max(1, self.method.ramp_steps))
        return self.method.weight * math.exp(-5 * (1 - progress) ** 2)

    def parameter_groups(self) -> dict[str, Iterable[nn.Parameter]]:
        return parameter_groups([self.student])


def distance(
    logits: Float[Tensor, "B K h w"],
    wanted: Float[Tensor, "B K h w"],
    inside: Bool[Tensor, "B H W"],
) -> Float[Tensor, ""]:
    """Return the mean squared difference of the probabilities over classes and all that shows an
    image."""
    squares = (logits.float().softmax(dim=1) - wanted.float().softmax(dim=1)) ** 2
    shown = interpolate(inside[:, None].float(), logits.shape[-2:], mode="area")[:, 0]  # (B, h, w)
    return (squares.mean(dim=1) * shown).sum() / across_workers(shown.sum()).clamp(min=1)
