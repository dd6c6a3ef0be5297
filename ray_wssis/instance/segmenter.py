"""A trained SOLOv2 at work: images in, instances out.

The same object serves labelling, evaluation and serving.  It knows no files but its own folder.

Legend: B images, H W canvas pixels.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor
from upath import UPath

from ray_wssis.data.images.read import resize_image, shortest_edge_size
from ray_wssis.data.records import Category
from ray_wssis.instance.segmenter_config import KIND, SegmenterConfig, read_config
from ray_wssis.models.at_work import run_on_images
from ray_wssis.models.full_size_masks import encode_full_size
from ray_wssis.models.model_folder import (
    categories_of,
    describe,
    load_weights,
    read_description,
    save_model,
)
from ray_wssis.models.solov2 import SOLOv2, SOLOv2Output
from ray_wssis.models.solov2_inference import Detections, detect


@dataclass(frozen=True, kw_only=True)
class Found:
    """The instances found in one image, best first, as run-length masks at its original size."""

    labels: list[int]
    scores: list[float]
    masks: list[bytes]

    def best(self, threshold: float, at_most: int) -> "Found":
        """Return the instances of at least this score, no more than `at_most`."""
        kept = min(at_most, sum(score >= threshold for score in self.scores))
        return Found(labels=self.labels[:kept], scores=self.scores[:kept], masks=self.masks[:kept])


class Segmenter:
    def __init__(
        self,
        network: SOLOv2,
        config: SegmenterConfig,
        categories: tuple[Category, ...],
    ) -> None:
        self.network = network
        self.config = config
        self.categories = categories
        self.device = network.mean.device
        # An endpoint may put something in its place that computes the same faster.
        self.infer: Callable[[Tensor, Tensor], SOLOv2Output] = network

    @classmethod
    def load(cls, folder: UPath, device: torch.device) -> "Segmenter":
        config = read_config(folder)
        if config.queries is not None:
            raise ValueError(
                f"{folder}: holds {config.describe()}, which cannot be asked for the mask at a "
                "point; wanted is a SOLOv2"
            )
        categories = categories_of(read_description(folder, KIND))
        network = SOLOv2(config.network, len(categories))
        load_weights(folder, network)
        return cls(network.to(device).eval(), config, categories)

    def save(self, folder: UPath, card: str) -> None:
        save_model(folder, self.network, describe(KIND, self.config, self.categories), card)

    @torch.inference_mode()
    def forward(self, images: list[UInt8[np.ndarray, "_ _ 3"]]) -> SOLOv2Output:
        """Run the network on RGB images of network size (see `network_image`)."""
        return run_on_images(self.infer, self.network, images, self.device)

    def segment(
        self, images: list[UInt8[np.ndarray, "_ _ 3"]], original_sizes: list[tuple[int, int]]
    ) -> list[Found]:
        """Find all instances of each image.  `original_sizes` are (height, width) for the masks."""
        return [
            self.full_size(detections, (image.shape[0], image.shape[1]), size)
            for detections, image, size in zip(
                self.detect(images), images, original_sizes, strict=True
            )
        ]

    def detect(self, images: list[UInt8[np.ndarray, "_ _ 3"]]) -> list[Detections]:
        """Do the part of `segment` that needs the network."""
        return detect(self.forward(images), self.config.inference, self.config.compat)

    def full_size(
        self, detections: Detections, network_size: tuple[int, int], original_size: tuple[int, int]
    ) -> Found:
        """Bring detections to the original size, without those that vanish there."""
        threshold = self.config.inference.mask_threshold
        return full_size(detections, network_size, original_size, threshold)


def full_size(
    detections: Detections,
    network_size: tuple[int, int],
    original_size: tuple[int, int],
    threshold: float,
) -> Found:
    """Bring detections to the original size, without those that vanish there."""
    masks = encode_full_size(detections.masks, network_size, original_size, threshold)
    labels, scores = detections.labels.tolist(), detections.scores.tolist()
    kept = [i for i, mask in enumerate(masks) if mask is not None]
    return Found(
        labels=[labels[i] for i in kept],
        scores=[scores[i] for i in kept],
        masks=[mask for mask in masks if mask is not None],
    )


def network_image(
    image: UInt8[np.ndarray, "_ _ 3"], config: SegmenterConfig
) -> UInt8[np.ndarray, "_ _ 3"]:
    """Resize an image for the network; its aspect ratio stays."""
    height, width = image.shape[:2]
    return resize_image(image, *shortest_edge_size(height, width, config.shorter, config.longest))
