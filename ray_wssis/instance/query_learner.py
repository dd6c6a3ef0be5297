"""The learner of a student that finds objects with queries, by its published loss."""

from collections.abc import Iterable, Mapping

from torch import Tensor, nn

from ray_wssis.instance.query_network import query_network
from ray_wssis.instance.samples import Batch
from ray_wssis.instance.segmenter_config import SegmenterConfig

IMAGES = "images"  # the name of the only stream


class QueryLearner(nn.Module):
    """Maps the batch of the only stream to a named loss."""

    def __init__(self, config: SegmenterConfig, num_classes: int) -> None:
        super().__init__()
        self.config = config
        self.network = query_network(config, num_classes)

    def forward(self, batches: Mapping[str, Batch]) -> dict[str, Tensor]:
        batch = batches[IMAGES]
        total = self.network.loss(batch.images, batch.sizes, batch.instances, batch.ignored)
        return {"queries": total}

    def parameter_groups(self) -> dict[str, Iterable[nn.Parameter]]:
        backbone = self.network.backbone_parameters()
        named = set(backbone)
        return {
            "backbone": backbone,
            "head": [each for each in self.network.parameters() if each not in named],
        }
