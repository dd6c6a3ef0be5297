"""AffinityNet as it learns from class maps that are sure of some pixels (arXiv:1803.10464)."""

from collections.abc import Iterable, Mapping

from jaxtyping import UInt8
from torch import Tensor, nn

from ray_wssis.methods.cam.affinity.network import AffinityNet, feature_affinity
from ray_wssis.methods.cam.config import AffinityModel
from ray_wssis.models.pair_loss import affinity_loss, kinds_of
from ray_wssis.semantic.samples import Batch

IMAGES = "images"  # stream


class AffinityLearner(nn.Module):
    """Maps a batch of images with class maps to the loss of their pairs."""

    def __init__(self, model: AffinityModel, background: int) -> None:
        super().__init__()
        self.network = AffinityNet(model.network)
        self.radius = model.radius
        self.background = background  # label; UNKNOWN if the data have no such class

    def forward(self, batches: Mapping[str, Batch]) -> dict[str, Tensor]:
        batch = batches[IMAGES]
        features = self.network(batch.images, batch.sizes).float()
        labels = cells(batch.class_maps, self.network.stride)
        kinds = kinds_of(labels, self.background, self.radius)
        return {"affinity": affinity_loss(feature_affinity(features, self.radius), kinds)}

    def parameter_groups(self) -> dict[str, Iterable[nn.Parameter]]:
        heads = [*self.network.reduce.parameters(), *self.network.join.parameters()]
        return {"backbone": self.network.backbone.parameters(), "head": heads}


def cells(class_maps: UInt8[Tensor, "B H W"], stride: int) -> UInt8[Tensor, "B h w"]:
    """Return the label in the middle of each cell."""
    return class_maps[:, stride // 2 :: stride, stride // 2 :: stride]
