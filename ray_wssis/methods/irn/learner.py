"""IRNet as it learns from class maps that are sure of some pixels (arXiv:1904.05044, section 4).

Differs from the paper: the mean of the displacements, which no pair says anything about, is a
running one of the training, where published code looks at all images once more.
"""

from collections.abc import Iterable, Mapping

import torch
from jaxtyping import UInt8
from torch import Tensor, nn

from ray_wssis.methods.irn.affinity import boundary_affinity
from ray_wssis.methods.irn.config import IRNetModel
from ray_wssis.methods.irn.losses import displacement_loss
from ray_wssis.methods.irn.network import CELL, IRNet
from ray_wssis.models.pair_loss import affinity_loss, kinds_of
from ray_wssis.semantic.samples import Batch

IMAGES = "images"  # stream
DECAY = 0.99  # of the mean displacement, per step


class IRNetLearner(nn.Module):
    """Maps a batch of images with class maps to the losses of both heads."""

    def __init__(self, model: IRNetModel, background: int) -> None:
        super().__init__()
        self.network = IRNet(model.network)
        self.radius = model.radius
        self.background = background  # label; UNKNOWN if the data have no such class

    def forward(self, batches: Mapping[str, Batch]) -> dict[str, Tensor]:
        batch = batches[IMAGES]
        seen = self.network(batch.images, batch.sizes)
        field = seen.field.float()
        kinds = kinds_of(cells(batch.class_maps), self.background, self.radius)
        affinity = boundary_affinity(seen.boundary.float().sigmoid(), self.radius)
        with torch.no_grad():
            mean = self.network.mean_field
            mean.lerp_(field.mean(dim=(0, 2, 3)), 1 - DECAY)
        return {
            "boundary": affinity_loss(affinity, kinds),
            "displacement": displacement_loss(field, kinds, self.radius),
        }

    def parameter_groups(self) -> dict[str, Iterable[nn.Parameter]]:
        return {"backbone": self.network.backbone.parameters()}


def cells(class_maps: UInt8[Tensor, "B H W"]) -> UInt8[Tensor, "B h w"]:
    """Return the label in the middle of each cell."""
    middle = CELL // 2
    return class_maps[:, middle::CELL, middle::CELL]
