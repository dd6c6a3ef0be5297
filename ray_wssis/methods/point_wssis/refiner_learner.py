"""The refiner as it learns, and how much it improves masks of other images meanwhile.

Legend: B crops, S pixels of a crop side.
"""

from collections.abc import Iterable, Mapping
from itertools import chain

import numpy as np
from jaxtyping import Float
from torch import Tensor, nn

from ray_wssis.masks import iou
from ray_wssis.methods.point_wssis.refiner import Refiner
from ray_wssis.methods.point_wssis.refiner_pairs import RefinerBatch, RefinerPairs, point_of
from ray_wssis.methods.point_wssis.refiner_task import PAIRS
from ray_wssis.models.mask_refine_net import MaskRefineNet
from ray_wssis.models.mask_refine_net_config import MaskRefineNetConfig
from ray_wssis.models.refiner_loss import soft_dice_loss


class RefinerLearner(nn.Module):
    """The batch of the only stream -> named losses.

    Needs two crops per worker: batch norm sees them as one pixel.
    """

    def __init__(self, config: MaskRefineNetConfig, num_classes: int) -> None:
        super().__init__()
        self.network = MaskRefineNet(config, num_classes)

    def forward(self, batches: Mapping[str, RefinerBatch]) -> dict[str, Float[Tensor, ""]]:
        batch = batches[PAIRS]
        logits = self.network(batch.rgb, batch.rough, batch.point, batch.label)  # (B, 2, S, S)
        return {"dice": soft_dice_loss(logits, batch.truth)}

    def parameter_groups(self) -> dict[str, Iterable[nn.Parameter]]:
        network = self.network
        encoder, decoder = (network.first, network.encoder), (network.aspp, network.decoder)
        return {
            "encoder": chain.from_iterable(module.parameters() for module in encoder),
            "decoder": chain.from_iterable(module.parameters() for module in decoder),
            "head": network.head.parameters(),
        }


def validate(refiner: Refiner, pairs: RefinerPairs) -> dict[str, float]:
    """Measure the mean IoU with the true masks, in percent and at full size, before and after.

    Both are 0 when there are no pairs.
    """
    if not len(pairs):
        return {"rough_mIoU": 0.0, "refined_mIoU": 0.0}
    before, after = [], []
    for row in np.unique(pairs.places[:, 0]):
        found = [pairs.pair(int(index)) for index in np.flatnonzero(pairs.places[:, 0] == row)]
        record, roughs = found[0][0], [rough for *_, rough in found]
        items = [item for _, item, _ in found]
        truths = [record.objects[item].mask or b"" for item in items]
        points = [point_of(record, record.objects[item]) for item in items]
        labels = [record.objects[item].label for item in items]
        refined = refiner.refine(pairs.images.read(record), roughs, points, labels)
        for rough, answer, truth in zip(roughs, refined, truths, strict=True):
            before.append(iou(rough, truth, record.height, record.width))
            after.append(iou(answer.mask, truth, record.height, record.width))
    means = {"rough_mIoU": np.mean(before), "refined_mIoU": np.mean(after)}
    return {name: 100 * float(mean) for name, mean in means.items()}
