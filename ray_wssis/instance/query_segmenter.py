"""A network with queries at work, with the face of `Segmenter`, but without masks at points.

Legend: B images, H W canvas pixels.
"""

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor
from upath import UPath

from ray_wssis.data.records import Category
from ray_wssis.instance.query_network import QueryNetwork, query_network
from ray_wssis.instance.segmenter import Found, Segmenter, full_size
from ray_wssis.instance.segmenter_config import KIND, SegmenterConfig, read_config
from ray_wssis.models.at_work import run_on_images
from ray_wssis.models.model_folder import (
    categories_of,
    describe,
    load_weights,
    read_description,
    save_model,
)
from ray_wssis.models.queries import QueryOutput, detect_queries
from ray_wssis.models.solov2_inference import Detections

Images = list[UInt8[np.ndarray, "_ _ 3"]]


class QuerySegmenter:
    def __init__(
        self, network: QueryNetwork, config: SegmenterConfig, categories: tuple[Category, ...]
    ) -> None:
        self.network = network
        self.config = config
        self.categories = categories
        self.device = network.mean.device
        # An endpoint may put something in its place that computes the same faster.
        self.infer: Callable[[Tensor, Tensor], QueryOutput] = network

    @classmethod
    def load(cls, folder: UPath, device: torch.device) -> "QuerySegmenter":
        config = read_config(folder)
        categories = categories_of(read_description(folder, KIND))
        network = query_network(config, len(categories))
        load_weights(folder, network)
        return cls(network.to(device).eval(), config, categories)

    def save(self, folder: UPath, card: str) -> None:
        save_model(folder, self.network, describe(KIND, self.config, self.categories), card)

    @torch.inference_mode()
    def forward(self, images: Images) -> QueryOutput:
        """Run the network on RGB images of network size."""
        return run_on_images(self.infer, self.network, images, self.device)

    def segment(self, images: Images, original_sizes: list[tuple[int, int]]) -> list[Found]:
        """Find all instances of each image.  `original_sizes` are (height, width) for the masks."""
        return [
            self.full_size(detections, (image.shape[0], image.shape[1]), size)
            for detections, image, size in zip(
                self.detect(images), images, original_sizes, strict=True
            )
        ]

    def detect(self, images: Images) -> list[Detections]:
        """Do the part of `segment` that needs the network."""
        return detect_queries(self.forward(images), self.config.inference)

    def full_size(
        self, detections: Detections, network_size: tuple[int, int], original_size: tuple[int, int]
    ) -> Found:
        """Bring detections to the original size, without those that vanish there."""
        threshold = self.config.inference.mask_threshold
        return full_size(detections, network_size, original_size, threshold)


def load_segmenter(folder: UPath, device: torch.device) -> Segmenter | QuerySegmenter:
    """Load the network that finds instances by itself, of either kind."""
    cls = Segmenter if read_config(folder).queries is None else QuerySegmenter
    return cls.load(folder, device)
