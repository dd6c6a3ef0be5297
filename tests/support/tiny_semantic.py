"""The smallest DeepLab that is built like a real one, and batches for it."""

import torch

from ray_wssis.models.backbone_config import BackboneConfig
from ray_wssis.models.deeplab_config import DeepLabConfig
from ray_wssis.semantic.loss import masked
from ray_wssis.semantic.samples import Batch
from ray_wssis.semantic.segmenter_config import SemanticConfig

TINY = SemanticConfig(
    network=DeepLabConfig(
        backbone=BackboneConfig(name="resnet18", weights="none", frozen_stages=0, norm="batch"),
        aspp_rates=(2,),
        aspp_width=16,
        low_level_width=8,
        decoder_width=16,
        norm="group",
    ),
    shorter=32,
    longest=64,
)
WITHOUT_BATCH_NORM = TINY.model_copy(  # whose statistics would be those of a worker's share
    update={
        "network": TINY.network.model_copy(
            update={"backbone": TINY.network.backbone.model_copy(update={"norm": "frozen"})}
        )
    }
)
# The same network, for `--set`.
NETWORK = (
    "{backbone: {name: resnet18, weights: none, frozen_stages: 0, norm: batch}, aspp_rates: [2], "
    "aspp_width: 16, low_level_width: 8, decoder_width: 16, norm: group}"
)


def batch(num: int, tags: list[list[bool]], seed: int, inside: slice = slice(None)) -> Batch:
    """Images of noise, with class maps of the first two classes where `inside`."""
    generator = torch.Generator().manual_seed(seed)
    mark = torch.zeros(num, 32, 32, dtype=torch.bool)
    mark[:, inside] = True
    labels = torch.randint(0, 2, (num, 32, 32), dtype=torch.uint8, generator=generator)
    return Batch(
        image_ids=list(range(num)),
        images=torch.randint(0, 255, (num, 3, 32, 32), dtype=torch.uint8, generator=generator),
        sizes=torch.tensor([[32, 32]] * num),
        class_maps=masked(labels, mark),
        confidence=torch.full((num, 32, 32), 255, dtype=torch.uint8),
        inside=mark,
        tags=torch.tensor(tags),
        is_tagged=torch.ones(num, dtype=torch.bool),
    )
