"""SOLOv2 as it learns from images with masks, and what it finds in others meanwhile."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain

from torch import Tensor, nn

from ray_wssis.data.images.read import read_image
from ray_wssis.data.records import Records
from ray_wssis.instance.query_segmenter import QuerySegmenter
from ray_wssis.instance.samples import Batch
from ray_wssis.instance.seams import segment_all
from ray_wssis.instance.segmenter import Segmenter, network_image
from ray_wssis.instance.segmenter_config import SegmenterConfig
from ray_wssis.instance.task import IMAGES
from ray_wssis.metrics.coco_ap import Prediction
from ray_wssis.models.solov2 import SOLOv2
from ray_wssis.models.solov2_loss import solov2_losses
from ray_wssis.models.solov2_targets import assign_cells

VALIDATION_BATCH = 8  # images


class SegmenterLearner(nn.Module):
    """Maps the batch of the only stream to named losses."""

    def __init__(self, config: SegmenterConfig, num_classes: int) -> None:
        super().__init__()
        self.config = config
        self.network = SOLOv2(config.network, num_classes)

    def forward(self, batches: Mapping[str, Batch]) -> dict[str, Tensor]:
        batch = batches[IMAGES]
        output = self.network(batch.images, batch.sizes)
        targets = assign_cells(
            batch.instances, output.canvas, self.config.network.grids, self.config.scale_ranges
        )
        return solov2_losses(output, batch.instances, targets, batch.ignored)

    def parameter_groups(self) -> dict[str, Iterable[nn.Parameter]]:
        network = self.network
        learnt = set(network.backbone.body.parameters())  # the rest of it begins at random
        added = (each for each in network.backbone.parameters() if each not in learnt)
        return {
            "backbone": network.backbone.body.parameters(),
            "neck": chain(added, network.pyramid.parameters()),
            "head": chain(network.instance_head.parameters(), network.mask_head.parameters()),
        }


def segment_records(
    segmenter: Segmenter | QuerySegmenter, records: Records
) -> Iterator[Prediction]:
    """Segment the images in batches; yield what is found in each."""
    for first in range(0, len(records), VALIDATION_BATCH):
        batch = list(records.select(range(first, min(len(records), first + VALIDATION_BATCH))))
        sizes = [(record.height, record.width) for record in batch]
        pixels = [read_image(record.file, size) for record, size in zip(batch, sizes, strict=True)]
        small = [network_image(image, segmenter.config) for image in pixels]
        found = segment_all(segmenter, sizes, small.__getitem__, pixels.__getitem__)
        for record, instances in zip(batch, found, strict=True):
            yield Prediction(image_id=record.image_id, **vars(instances))
