"""Material for benchmarks: made-up images with objects, and networks of the published sizes.

All weights are random.  That changes no time of a network, but masks have more holes and islands
than those of a trained one, so whatever draws or encodes masks has more to do.
"""

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from ray_wssis.data.records import Category
from ray_wssis.instance.samples import Sample, quarter_size
from ray_wssis.instance.segmenter import Segmenter
from ray_wssis.instance.segmenter_config import OVERLAPPING_RANGES, SegmenterConfig
from ray_wssis.models.backbone_config import BackboneConfig
from ray_wssis.models.solov2 import SOLOv2
from ray_wssis.models.solov2_config import SOLOv2Config

NUM_CLASSES = 80
GRIDS = {"student": (40, 36, 24, 16, 12), "teacher": (80, 64, 32, 24, 12)}
RANGES = {
    "student": OVERLAPPING_RANGES,
    "teacher": ((1, 72), (72, 144), (144, 288), (288, 584), (584, 2048)),
}


def segmenter_config(kind: str, backbone: BackboneConfig | None = None) -> SegmenterConfig:
    """A `student` or `teacher` with the published widths; on a ResNet-50 unless told otherwise."""
    backbone = backbone or BackboneConfig(name="resnet50", weights="none")
    network = SOLOv2Config(backbone=backbone, grids=GRIDS[kind])
    return SegmenterConfig(network=network, scale_ranges=RANGES[kind])


def categories() -> tuple[Category, ...]:
    return tuple(Category(id=i + 1, name=str(i + 1)) for i in range(NUM_CLASSES))


def random_segmenter(config: SegmenterConfig, device: torch.device | None = None) -> Segmenter:
    network = SOLOv2(config.network, NUM_CLASSES).eval().to(device or torch.device("cpu"))
    return Segmenter(network, config, categories())


def random_image(height: int, width: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    return rng.integers(0, 256, (height, width, 3), dtype=np.uint8)


def random_masks(
    num: int, height: int, width: int, rng: np.random.Generator
) -> list[NDArray[np.uint8]]:
    """`num` blobs of many sizes, 0 and 1: two ellipses around one place each."""
    masks = []
    for _ in range(num):
        mask = np.zeros((height, width), dtype=np.uint8)
        centre = (int(rng.uniform(0, width)), int(rng.uniform(0, height)))
        size = rng.uniform(0.02, 0.6) ** 2
        for _ in range(2):
            axes = [int(2 + side * size * rng.uniform(0.5, 1)) for side in (width, height)]
            cv2.ellipse(mask, centre, axes, rng.uniform(0, 180), 0, 180, 1, thickness=-1)
        masks.append(mask)
    return masks


def random_samples(
    num: int, num_objects: int, height: int, width: int
) -> tuple[list[Sample], list[NDArray[np.uint8]]]:
    """Images as the training loader makes them, and their masks [objects, height, width]."""
    rng = np.random.default_rng(0)
    samples, all_masks = [], []
    for index in range(num):
        masks = random_masks(num_objects, height, width, rng)
        labels = rng.integers(0, NUM_CLASSES, num_objects).tolist()
        samples.append(sample_of(index, random_image(height, width, rng), labels, masks))
        all_masks.append(np.stack(masks))
    return samples, all_masks


def sample_of(
    image_id: int, image: NDArray[np.uint8], labels: list[int], masks: list[NDArray[np.uint8]]
) -> Sample:
    """A training sample as the loader makes it, without augmentation."""
    found = [quarter_size(mask) for mask in masks]
    objects = [obj for obj in found if obj is not None]
    assert len(objects) == len(masks) == len(labels)
    return Sample(
        image_id=image_id,
        image=image,
        labels=labels,
        centres=[centre for centre, _, _ in objects],
        box_sizes=[size for _, size, _ in objects],
        masks=[mask for _, _, mask in objects],
    )
