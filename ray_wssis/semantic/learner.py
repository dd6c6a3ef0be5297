"""A semantic network as it learns from true and from pseudo labels."""

from collections.abc import Iterable, Mapping
from itertools import chain

import torch
from torch import Tensor, nn

from ray_wssis.models.semantic_network import SemanticNetwork, create_network
from ray_wssis.semantic.loss import pixel_cross_entropy
from ray_wssis.semantic.samples import Batch
from ray_wssis.semantic.segmenter_config import SemanticConfig

STRONG, PSEUDO = "strong", "pseudo"  # streams


class SemanticLearner(nn.Module):
    """Maps the batches of one or both streams to named losses.

    With two heads, pseudo labels train the second one, which is not served.
    """

    def __init__(self, config: SemanticConfig, num_classes: int) -> None:
        super().__init__()
        self.network = create_network(config.network, num_classes)

    def forward(self, batches: Mapping[str, Batch]) -> dict[str, Tensor]:
        images = torch.cat([batch.images for batch in batches.values()])
        sizes = torch.cat([batch.sizes for batch in batches.values()])
        heads = self.network(images, sizes).logits
        shares = [len(batch.images) for batch in batches.values()]
        of_stream = {STRONG: heads[0].split(shares), PSEUDO: heads[-1].split(shares)}
        return {
            name: pixel_cross_entropy(of_stream[name][place], batch.class_maps)
            for place, (name, batch) in enumerate(batches.items())
        }

    def parameter_groups(self) -> dict[str, Iterable[nn.Parameter]]:
        return parameter_groups([self.network])


def parameter_groups(networks: Iterable[SemanticNetwork]) -> dict[str, Iterable[nn.Parameter]]:
    """Group the parameters that may have a learning rate of their own: the pretrained backbone,
    what joins its features, and the classifiers."""
    networks = list(networks)
    return {
        "backbone": chain.from_iterable(net.backbone.parameters() for net in networks),
        "neck": chain.from_iterable(part.parameters() for net in networks for part in net.neck),
        "head": chain.from_iterable(net.heads.parameters() for net in networks),
    }
