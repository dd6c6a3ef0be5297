import numpy as np
import torch

from ray_wssis.data.records import Category, Object, Record
from ray_wssis.instance.segmenter import Segmenter, network_image
from ray_wssis.instance.segmenter_config import SegmenterConfig
from ray_wssis.methods.point_wssis.labeller import PointLabeller
from ray_wssis.methods.point_wssis.refiner import Refiner
from ray_wssis.models.mask_refine_net import MaskRefineNet
from ray_wssis.models.mask_refine_net_config import MaskRefineNetConfig
from ray_wssis.models.solov2 import SOLOv2
from tests.support.tiny import TINY

CONFIG = SegmenterConfig(
    network=TINY,
    shorter=64,
    longest=100,
)
REFINER = MaskRefineNetConfig(
    encoder="resnet18", weights="none", crop_size=64, aspp_width=8, decoder_widths=(8, 8, 8, 8)
)
CATEGORIES = (Category(id=4, name="a"), Category(id=9, name="b"))


def record(image_id: int, points: list[tuple[float, float] | None], labels: list[int]) -> Record:
    return Record(
        image_id=image_id,
        file="",
        width=120,
        height=100,
        objects=tuple(
            Object(annotation_id=i, label=label, point=point)
            for i, (label, point) in enumerate(zip(labels, points, strict=True))
        ),
    )


RECORDS = [
    record(1, [(10.0, 10.0), None, (100.0, 50.0), (60.0, 90.0)], [0, 0, 1, 1]),
    record(2, [], []),
    record(3, [(60.0, 50.0)], [1]),
]
IMAGES = [
    np.random.default_rng(i).integers(0, 256, (100, 120, 3), dtype=np.uint8) for i in range(3)
]


def labeller(with_refiner: bool) -> PointLabeller:
    torch.manual_seed(0)
    network = SOLOv2(CONFIG.network, num_classes=2)
    for parameter in network.instance_head.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    refiner = Refiner(MaskRefineNet(REFINER, 2), CATEGORIES) if with_refiner else None
    return PointLabeller(Segmenter(network, CONFIG, CATEGORIES), refiner)


def test_every_point_has_a_row_and_objects_without_a_point_have_none() -> None:
    small = [network_image(image, CONFIG) for image in IMAGES]
    for with_refiner in (False, True):
        found = labeller(with_refiner).label(RECORDS, IMAGES, small)
        for each, num in zip(found, (3, 0, 1), strict=True):
            for column in (*vars(each.rough).values(), each.refined, each.refined_scores):
                assert len(column) == num


def test_without_a_refiner_rough_masks_are_kept() -> None:
    small = [network_image(image, CONFIG) for image in IMAGES]
    for each in labeller(False).label(RECORDS, IMAGES, small):
        assert each.refined == each.rough.masks
        assert each.refined_scores == each.rough.maskness


def test_an_object_without_a_point_does_not_shift_the_classes_of_the_others() -> None:
    without = record(1, [(10.0, 10.0), (100.0, 50.0), (60.0, 90.0)], [0, 1, 1])
    images, small = IMAGES[:1], [network_image(IMAGES[0], CONFIG)]
    (expected,) = labeller(False).label([without], images, small)
    (found,) = labeller(False).label(RECORDS[:1], images, small)
    assert vars(found.rough) == vars(expected.rough)
