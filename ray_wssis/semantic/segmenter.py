"""A trained semantic network at work: images in, a class and a confidence for every pixel out.

The same object serves labelling, evaluation and serving.  It knows no files but its own folder.

Legend: B images, K classes, H W pixels of the original image, S canvas pixels.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor
from torch.nn.functional import interpolate
from upath import UPath

from ray_wssis.data.images.read import resize_image, shortest_edge_size
from ray_wssis.data.records import Category
from ray_wssis.models.at_work import run_on_images
from ray_wssis.models.model_folder import (
    categories_of,
    describe,
    load_weights,
    read_description,
    save_model,
)
from ray_wssis.models.semantic_network import SemanticNetwork, create_network
from ray_wssis.semantic.label_row import PER_HALVING
from ray_wssis.semantic.segmenter_config import KIND, SemanticConfig, Views, read_config
from ray_wssis.semantic.windows import STRIDE, Window

ABSENT = -1e4  # a logit that no probability is left for
FULL_CONFIDENCE = 255
WINDOWS_AT_ONCE = 4
MOST_VALUES = 2**27  # logits at original size that are held at once


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """The class map of one image, at its original size."""

    class_map: UInt8[np.ndarray, "H W"]  # labels
    confidence: UInt8[np.ndarray, "H W"]  # probability of that label, times 255
    certainty: UInt8[np.ndarray, "H W"]  # -PER_HALVING log2(1 - probability)


class SemanticSegmenter:
    def __init__(
        self, network: SemanticNetwork, config: SemanticConfig, categories: tuple[Category, ...]
    ) -> None:
        self.network = network
        self.config = config
        self.categories = categories
        self.device = network.mean.device
        # An endpoint may put something in its place that computes the same faster.
        self.infer: Callable[[Tensor, Tensor], Tensor] = self.first_head

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
                found = self.seen([image[:, ::-1] if flip else image for image in scaled])
                for i, (own, size) in enumerate(zip(found, sizes, strict=True)):
                    own = own.flip(-1) if flip else own
                    wanted = (quarter(size[0]), quarter(size[1]))
                    sums[i] = sums[i].to(own.device) + to_size(own, wanted)
        return [total / (len(views.scales) * (1 + views.flip)) for total in sums]

    def seen(self, images: Sequence[UInt8[np.ndarray, "_ _ 3"]]) -> list[Float[Tensor, "K _ _"]]:
        """Compute the logits of each image as it is, a quarter of its size."""
        window = self.config.window
        if window is None or all(window.covers(image.shape) for image in images):
            return self.seen_at_once(images)
        return [self.seen_by_windows(image, window) for image in images]

    def seen_by_windows(
        self, image: UInt8[np.ndarray, "H W 3"], window: Window
    ) -> Float[Tensor, "K _ _"]:
        """Compute the mean logits of the windows that show each pixel, a few of them at once."""
        shape = (quarter(image.shape[0]), quarter(image.shape[1]))
        sums = torch.zeros(len(self.categories), *shape, device=self.device)
        counts = torch.zeros(shape, device=self.device)
        corners = window.corners(image.shape)
        for first in range(0, len(corners), WINDOWS_AT_ONCE):
            chosen = corners[first : first + WINDOWS_AT_ONCE]
            shown = [image[y : y + window.size, x : x + window.size] for y, x in chosen]
            for (y, x), own in zip(chosen, self.seen_at_once(shown), strict=True):
                rows = slice(y // STRIDE, y // STRIDE + own.shape[1])
                columns = slice(x // STRIDE, x // STRIDE + own.shape[2])
                sums[:, rows, columns] += own
                counts[rows, columns] += 1
        return sums / counts

    def seen_at_once(
        self, images: Sequence[UInt8[np.ndarray, "_ _ 3"]]
    ) -> list[Float[Tensor, "K _ _"]]:
        logits = run_on_images(self.infer, self.network, images, self.device)
        return [
            maps[:, : quarter(image.shape[0]), : quarter(image.shape[1])]
            for maps, image in zip(logits.float(), images, strict=True)
        ]

    def first_head(
        self, canvas: UInt8[Tensor, "B 3 _ _"], sizes: Int[Tensor, "B 2"]
    ) -> Float[Tensor, "B K _ _"]:
        """Compute the logits that are served."""
        logits: Tensor = self.network(canvas, sizes).logits[0]
        return logits

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
            draw_at(logits, size, allowed)
            for logits, size, allowed in zip(
                self.logits(images, views), original_sizes, tags, strict=True
            )
        ]


@torch.inference_mode()
def draw_at(
    logits: Float[Tensor, "K _ _"], size: tuple[int, int], tags: Sequence[int] | None
) -> Drawn:
    """Take the most probable label of each pixel of an original image, in strips if it is large."""
    if tags:  # classes that cannot win need no pixels
        kept = sorted(set(tags))
        drawn = draw_at(logits[kept], size, None)
        return replace(drawn, class_map=np.array(kept, np.uint8)[drawn.class_map])
    height, width = size
    rows = max(1, MOST_VALUES // (len(logits) * width))
    if rows >= height:
        return choose(to_size(logits, size), tags)
    strips = [
        choose(strip_at(logits, size, first, min(first + rows, height)), tags)
        for first in range(0, height, rows)
    ]
    return Drawn(
        class_map=np.concatenate([strip.class_map for strip in strips]),
        confidence=np.concatenate([strip.confidence for strip in strips]),
        certainty=np.concatenate([strip.certainty for strip in strips]),
    )


@torch.inference_mode()
def choose(logits: Float[Tensor, "K H W"], tags: Sequence[int] | None) -> Drawn:
    """Take the most probable label of each pixel among `tags`."""
    if tags is not None:
        logits = restrict(logits[None], allowed(tags, len(logits), logits.device)[None])[0]
    probability, label = logits.softmax(dim=0).max(dim=0)  # (H, W)
    return Drawn(
        class_map=label.to(torch.uint8).cpu().numpy(),
        confidence=(FULL_CONFIDENCE * probability).round().to(torch.uint8).cpu().numpy(),
        certainty=certainty(probability).cpu().numpy(),
    )


def certainty(probability: Float[Tensor, "H W"]) -> UInt8[Tensor, "H W"]:
    """Return the level of each probability, 0 to 255."""
    return (-PER_HALVING * (1 - probability).log2()).clamp(0, 255).round().to(torch.uint8)


def allowed(tags: Sequence[int], num_classes: int, device: torch.device) -> Tensor:
    """Mark the labels among `tags`: (K,) bool."""
    marks = torch.zeros(num_classes, dtype=torch.bool, device=device)
    marks[list(tags)] = True
    return marks


def restrict(logits: Float[Tensor, "B K H W"], tags: Tensor) -> Float[Tensor, "B K H W"]:
    """Take the labels that are not among the tags, (B, K) bool, out of the running."""
    return logits.masked_fill(~tags[:, :, None, None], ABSENT)


class Sized(Protocol):
    """The configuration of a network."""

    @property
    def sides(self) -> tuple[int, int]: ...  # shorter and longest, network pixels


def network_image(image: UInt8[np.ndarray, "_ _ 3"], config: Sized) -> UInt8[np.ndarray, "_ _ 3"]:
    """Resize an image for the network; its aspect ratio stays."""
    height, width = image.shape[:2]
    return resize_image(image, *shortest_edge_size(height, width, *config.sides))


def resized(image: UInt8[np.ndarray, "_ _ 3"], scale: float) -> UInt8[np.ndarray, "_ _ 3"]:
    height, width = image.shape[:2]
    return resize_image(image, max(1, round(height * scale)), max(1, round(width * scale)))


def quarter(side: int) -> int:
    """Round up to whole pixels of the logits."""
    return -(-side // STRIDE)


def strip_at(
    logits: Float[Tensor, "K _ _"], size: tuple[int, int], first: int, end: int
) -> Float[Tensor, "K _ _"]:
    """Return the rows `first` to `end` of `to_size(logits, size)`."""
    last = logits.shape[1] - 1
    rows = torch.arange(first, end, device=logits.device)
    places = ((rows + 0.5) * (logits.shape[1] / size[0]) - 0.5).clamp(0, last)
    above = places.long()
    below = (above + 1).clamp(max=last)
    between = torch.lerp(logits[:, above], logits[:, below], (places - above)[:, None])
    return to_size(between, (end - first, size[1]))


def to_size(logits: Float[Tensor, "K _ _"], size: tuple[int, int]) -> Float[Tensor, "K _ _"]:
    return interpolate(logits[None], size=size, mode="bilinear", align_corners=False)[0]
