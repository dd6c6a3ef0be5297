"""UniMatch V2 (Yang et al., TPAMI 2025, arXiv:2410.10777).

A teacher, the running mean of the student's weights, labels each image as it is; where it is sure,
the student learns these labels from two strongly changed views, which have boxes of other images
and see complementary halves of the features.  The teacher is served.

Differs from the paper: the features that are dropped are those that the classifier sees, since not
every network has a vision transformer's; what lies beyond an image is not learnt.

Legend: B images, n of them strong, m unlabelled, K classes, D channels, h w pixels of the logits,
H W of the labels.
"""

from collections.abc import Iterable, Mapping

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import interpolate

from ray_wssis.data.class_maps.png import UNKNOWN
from ray_wssis.methods.semi_supervised.config import UniMatch
from ray_wssis.methods.semi_supervised.cps import UNLABELLED
from ray_wssis.methods.semi_supervised.cutmix import draw_boxes, mix
from ray_wssis.methods.semi_supervised.strong_view import strong_view
from ray_wssis.methods.semi_supervised.teacher import Teacher
from ray_wssis.models.semantic_network import SemanticNetwork, create_network
from ray_wssis.models.solov2_loss import across_workers
from ray_wssis.semantic.learner import STRONG, parameter_groups
from ray_wssis.semantic.loss import masked, pixel_cross_entropy
from ray_wssis.semantic.samples import Batch
from ray_wssis.semantic.segmenter_config import SemanticConfig

BOX_AREA, BOX_ASPECT = (0.02, 0.4), (0.3, 1 / 0.3)
WHOLE = 0.5  # of the images keep all their features in both views


class UniMatchLearner(nn.Module):
    """Maps a batch of strong and one of unlabelled images to two losses."""

    def __init__(self, config: SemanticConfig, method: UniMatch, num_classes: int) -> None:
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
        labels, is_sure = self.teach(other)  # (m, H, W) each
        boxes = [self.boxes(other) for _ in range(2)]
        changes = self.method.strong_view
        views = [mix(strong_view(other.images, changes), marks) for marks in boxes]
        images = torch.cat([strong.images, *views])  # (B, 3, H, W)
        sizes = torch.cat([strong.sizes, other.sizes, other.sizes])
        output = self.student(images, sizes)
        n, m = len(strong.images), len(other.images)
        factors = complementary(m, output.features.shape[1]).to(output.features)
        seen = self.student.heads[0](output.features[n:] * factors)  # (2 m, K, h, w)
        of_views = [
            sure_cross_entropy(
                logits, mix(labels, marks), mix(is_sure, marks), mix(other.inside, marks)
            )
            for logits, marks in zip(seen.split(m), boxes, strict=True)
        ]
        return {
            "strong": pixel_cross_entropy(output.logits[0][:n], strong.class_maps) / 2,
            "unlabelled": torch.stack(of_views).mean() / 2,
        }

    @torch.no_grad()
    def teach(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the teacher's labels, and where it is sure of them: (m, H, W)."""
        logits = self.teacher(batch.images, batch.sizes).logits[0].float()
        full = interpolate(
            logits, batch.inside.shape[-2:], mode="bilinear", align_corners=False
        )  # (m, K, H, W)
        probability, labels = full.softmax(dim=1).max(dim=1)
        return labels.to(torch.uint8), probability >= self.method.threshold

    def boxes(self, batch: Batch) -> Tensor:
        drawn = draw_boxes(
            *batch.inside.shape, area=BOX_AREA, aspect=BOX_ASPECT, chance=self.method.cutmix
        )
        return drawn.to(batch.inside.device)

    def parameter_groups(self) -> dict[str, Iterable[nn.Parameter]]:
        return parameter_groups([self.student])


def complementary(num_images: int, num_channels: int) -> Float[Tensor, "2*m D 1 1"]:
    """Draw factors for the channels of two views: 0 and 2, in turn, or 1 for whole images."""
    first = 2.0 * torch.randint(2, (num_images, num_channels))
    first[torch.randperm(num_images)[: int(WHOLE * num_images)]] = 1.0
    return torch.cat([first, 2 - first])[:, :, None, None]


def sure_cross_entropy(logits: Tensor, labels: Tensor, is_sure: Tensor, inside: Tensor) -> Tensor:
    """Return the cross entropy of sure labels, over all pixels that show an image."""
    learnt = masked(labels, is_sure & inside)
    share = across_workers((learnt != UNKNOWN).sum().float()) / across_workers(
        inside.sum().float()
    ).clamp(min=1)
    return share * pixel_cross_entropy(logits, learnt)
