"""A trained semantic network at work: images in, a class and a confidence for every pixel out.

The same object serves labelling, evaluation and serving.  It knows no files but its own folder.

Legend: B images, K classes, H W pixels of the original image, S canvas pixels.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn.functional import interpolate
from upath import UPath

from ray_wssis.data.images import resize_image, shortest_edge_size
from ray_wssis.data.records import Category
from ray_wssis.models.canvas import pad_images
from ray_wssis.models.evaluating import evaluating
from ray_wssis.models.model_folder import (
    categories_of,
    describe,
    load_weights,
    read_description,
    save_model,
)
from ray_wssis.models.semantic_network import SemanticNetwork, create_network
from ray_wssis.semantic.segmenter_config import KIND, SemanticConfig, Views, read_config

ABSENT = -1e4  # a logit that no probability is left for
FULL_CONFIDENCE = 255


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """The class map of one image, at its original size."""

    class_map: UInt8[np.ndarray, "H W"]  # labels
    confidence: UInt8[np.ndarray, "H W"]  # probability of that label, times 255


class SemanticSegmenter:
    def __init__(
        self, network: SemanticNetwork, config: SemanticConfig, categories: tuple[Category, ...]
    ) -> None:
        self.network = network
        self.config = config
        self.categories = categories
        self.device = network.mean.device

    @classmethod
    def load(cls, folder: UPath, device: torch.device) -> "SemanticSegmenter":
        config = read_config(folder)
        categories = categories_of(read_description(folder, KIND))
        network = create_network(config.network, len(categories))
        load_weights(folder, network)
        return cls(network.to(device).eval(), config, categories)

    def save(self, folder: UPath, card: str) -> None:
        save_model(folder, self.network, describe(KIND, self.config, self.categories), card)

    @torch.inference_mode()
    def logits(
        self, images: Sequence[UInt8[np.ndarray, "_ _ 3"]], views: Views
    ) -> list[Float[Tensor, "K _ _"]]:
        """Compute the mean logits of all views of each image of network size, a quarter of that."""
        sizes = [image.shape[:2] for image in images]
        sums = [torch.zeros(())] * len(images)
        for scale in views.scales:
            scaled = [resized(image, scale) for image in images]
            for flip in (False, True) if views.flip else (False,):
                seen = [image[:, ::-1] if flip else image for image in scaled]
                canvas, shapes = pad_images([np.ascontiguousarray(image) for image in seen])
                mixed = torch.autocast(
                    self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"
                )
                with evaluating(self.network), mixed:
                    output = self.network(canvas.to(self.device), shapes.to(self.device))
                for i, (maps, size) in enumerate(zip(output.logits[0].float(), sizes, strict=True)):
                    height, width = scaled[i].shape[:2]
                    own = maps[:, : quarter(height), : quarter(width)]  # (K, ., .) of the image
                    own = own.flip(-1) if flip else own
                    wanted = (quarter(size[0]), quarter(size[1]))
                    sums[i] = sums[i].to(own.device) + to_size(own, wanted)
        return [total / (len(views.scales) * (1 + views.flip)) for total in sums]

    def draw(
        self,
        images: Sequence[UInt8[np.ndarray, "_ _ 3"]],
        original_sizes: Sequence[tuple[int, int]],
        tags: Sequence[Sequence[int] | None],
        views: Views,
    ) -> list[Drawn]:
        """Give every pixel of each image its most probable label among the tags of the image.

        `original_sizes` are (height, width); tags that are None allow every label.
        """
        return [
            choose(to_size(logits, size), allowed)
            for logits, size, allowed in zip(
                self.logits(images, views), original_sizes, tags, strict=True
            )
        ]


@torch.inference_mode()
def choose(logits: Float[Tensor, "K H W"], tags: Sequence[int] | None) -> Drawn:
    """Take the most probable label of each pixel among `tags`."""
    if tags is not None:
        logits = restrict(logits[None], allowed(tags, len(logits), logits.device)[None])[0]
    probability, label = logits.softmax(dim=0).max(dim=0)  # (H, W)
    return Drawn(
        class_map=label.to(torch.uint8).cpu().numpy(),
        confidence=(FULL_CONFIDENCE * probability).round().to(torch.uint8).cpu().numpy(),
    )


def allowed(tags: Sequence[int], num_classes: int, device: torch.device) -> Tensor:
    """Mark the labels among `tags`: (K,) bool."""
    marks = torch.zeros(num_classes, dtype=torch.bool, device=device)
    marks[list(tags)] = True
    return marks


def restrict(logits: Float[Tensor, "B K H W"], tags: Tensor) -> Float[Tensor, "B K H W"]:
    """Take the labels that are not among the tags, (B, K) bool, out of the running."""
    return logits.masked_fill(~tags[:, :, None, None], ABSENT)


def network_image(
    image: UInt8[np.ndarray, "_ _ 3"], config: SemanticConfig
) -> UInt8[np.ndarray, "_ _ 3"]:
    """Resize an image for the network; its aspect ratio stays."""
    height, width = image.shape[:2]
    return resize_image(image, *shortest_edge_size(height, width, config.shorter, config.longest))


def resized(image: UInt8[np.ndarray, "_ _ 3"], scale: float) -> UInt8[np.ndarray, "_ _ 3"]:
    height, width = image.shape[:2]
    return resize_image(image, max(1, round(height * scale)), max(1, round(width * scale)))


def quarter(side: int) -> int:
    """Round up to whole pixels of the logits."""
    return -(-side // 4)


def to_size(logits: Float[Tensor, "K _ _"], size: tuple[int, int]) -> Float[Tensor, "K _ _"]:
    return interpolate(logits[None], size=size, mode="bilinear", align_corners=False)[0]
