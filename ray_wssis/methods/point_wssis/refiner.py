"""A trained MaskRefineNet at work: rough masks of an image in, refined masks out.

PointWSSIS (arXiv:2303.15062).  The score of a refined mask is its maskness, the mean foreground
probability inside it.

Legend: B crops of a batch, S pixels of a crop side.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from numpy.typing import NDArray
from torch import Tensor
from upath import UPath

from ray_wssis.data.records import Category
from ray_wssis.masks import area
from ray_wssis.methods.point_wssis.refined_mask import Answer, Refined, apply_answer
from ray_wssis.methods.point_wssis.refiner_config import KIND
from ray_wssis.methods.point_wssis.refiner_input import Point, RefinerInput, build_input
from ray_wssis.models.evaluating import evaluating
from ray_wssis.models.mask_refine_net import MaskRefineNet
from ray_wssis.models.mask_refine_net_config import MaskRefineNetConfig
from ray_wssis.models.model_folder import (
    categories_of,
    describe,
    load_weights,
    read_description,
    save_model,
)


class Refiner:
    def __init__(
        self,
        network: MaskRefineNet,
        categories: tuple[Category, ...],
        batch_size: int = 32,  # crops
    ) -> None:
        self.network = network
        self.categories = categories
        self.batch_size = batch_size
        self.device = network.head.weight.device

    @classmethod
    def load(cls, folder: UPath, device: torch.device, batch_size: int = 32) -> "Refiner":
        """Load the refiner that `save` wrote."""
        description = read_description(folder, KIND)
        config = MaskRefineNetConfig.model_validate({**description["config"], "weights": "none"})
        categories = categories_of(description)
        network = MaskRefineNet(config, len(categories))
        load_weights(folder, network)
        return cls(network.to(device).eval(), categories, batch_size)

    def save(self, folder: UPath, card: str) -> None:
        """Write the model folder; `card` tells people what it is."""
        description = describe(KIND, self.network.config, self.categories)
        save_model(folder, self.network, description, card)

    def refine(
        self,
        image: UInt8[NDArray[np.uint8], "H W 3"],
        roughs: Sequence[bytes],
        points: Sequence[Point],
        labels: Sequence[int],
    ) -> list[Refined]:
        """Refine the mask of each object of one image, in order.

        `image` [H, W, 3] RGB; `roughs` run-length counts for (H, W); `points` (x, y) original
        pixels; `labels` 0..C-1.  An empty rough mask stays empty, with score 0.
        """
        answers = self.answer(image, roughs, points, labels)
        return [
            apply_answer(rough, answer, *image.shape[:2])
            for rough, answer in zip(roughs, answers, strict=True)
        ]

    def answer(
        self,
        image: UInt8[NDArray[np.uint8], "H W 3"],
        roughs: Sequence[bytes],
        points: Sequence[Point],
        labels: Sequence[int],
    ) -> list[Answer | None]:
        """Run the network on each object, see `refine`; None for an empty rough mask."""
        height, width = image.shape[:2]
        objects = list(zip(roughs, points, labels, strict=True))
        drawn = [i for i, (rough, _, _) in enumerate(objects) if area(rough, height, width)]
        answers: list[Answer | None] = [None] * len(objects)
        for first in range(0, len(drawn), self.batch_size):
            places = drawn[first : first + self.batch_size]
            inputs = [self.input(image, *objects[i]) for i in places]
            outputs = self.forward(inputs)
            for i, crop, (foreground, score) in zip(places, inputs, outputs, strict=True):
                answers[i] = Answer(
                    foreground=foreground,
                    box=crop.box,
                    score=score,
                    compat=self.network.config.compat,
                )
        return answers

    def input(
        self, image: UInt8[NDArray[np.uint8], "H W 3"], rough: bytes, point: Point, label: int
    ) -> RefinerInput:
        config = self.network.config
        return build_input(image, rough, point, label, scale=config.crop_scale, config=config)

    @torch.inference_mode()
    def forward(self, inputs: list[RefinerInput]) -> Iterator[tuple[NDArray[np.float32], float]]:
        """Foreground probability [S, S] and score of each crop."""
        tensors = [tensor.to(self.device, non_blocking=True) for tensor in to_tensors(inputs)]
        mixed = torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda")
        with evaluating(self.network), mixed:
            logits = self.network(*tensors).float()  # (B, 2, S, S)
        foreground = (logits[:, 1] - logits[:, 0]).sigmoid()  # (B, S, S)
        scores = maskness(foreground, tensors[1] > 0)
        return zip(foreground.cpu().numpy(), scores.tolist(), strict=True)


def to_tensors(
    inputs: Sequence[RefinerInput],
) -> tuple[
    UInt8[Tensor, "B S S 3"], UInt8[Tensor, "B S S"], Float[Tensor, "B 2"], Int[Tensor, " B"]
]:
    """Stack crops to the arguments of `MaskRefineNet.forward`, pixels and masks as bytes."""
    return (
        torch.from_numpy(np.stack([crop.rgb for crop in inputs])),  # (B, S, S, 3)
        torch.from_numpy(np.stack([crop.rough for crop in inputs])),  # (B, S, S)
        torch.tensor([crop.point for crop in inputs], dtype=torch.float32),  # (B, 2)
        torch.tensor([crop.label for crop in inputs], dtype=torch.int64),  # (B,)
    )


def maskness(
    foreground: Float[Tensor, "B S S"], rough: Bool[Tensor, "B S S"]
) -> Float[Tensor, " B"]:
    """Mean probability inside each mask; inside the rough one if the mask is empty."""
    mask = foreground > 0.5  # (B, S, S)
    mask = torch.where(mask.any(dim=(1, 2), keepdim=True), mask, rough)
    return (foreground * mask).sum(dim=(1, 2)) / mask.sum(dim=(1, 2)).clamp(min=1)
