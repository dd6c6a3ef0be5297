"""The student engine: finds the instances of images by itself.

One engine is one set of weights.  Nothing here knows HTTP or Ray.
"""

from collections.abc import Sequence
from itertools import groupby
from typing import Any

import torch
from upath import UPath

from ray_wssis.artifacts import short_hash
from ray_wssis.data.records import Category
from ray_wssis.instance.segmenter import Segmenter
from ray_wssis.models.model_folder import hash_model
from ray_wssis.models.solov2_config import PADDING_MULTIPLE
from ray_wssis.models.solov2_inference import Detections
from wssis_serve.config import ServeConfig
from wssis_serve.engines.images import Decoded, decode
from wssis_serve.engines.models import ServedModels, described, metrics_of
from wssis_serve.segmented import Instance, ModelName, Segmented


class StudentEngine:
    """Finds instances by itself."""

    def __init__(self, models: ServedModels, config: ServeConfig, device: torch.device) -> None:
        folder = UPath(models.student)
        self.segmenter = with_instances(Segmenter.load(folder, device), config.max_instances)
        self.name = ModelName(name="student", hash=short_hash(hash_model(folder)))
        self.metrics = metrics_of(models, "student/")
        self.max_megapixels = config.max_megapixels

    @property
    def categories(self) -> tuple[Category, ...]:
        return self.segmenter.categories

    def decode(self, data: bytes) -> Decoded:
        """The image at the network's size."""
        sides = self.segmenter.config.sides
        return decode(data, sides, needs_original=False, max_megapixels=self.max_megapixels)

    def detect(self, images: Sequence[Decoded]) -> list[Detections]:
        """The detections of the network in each image.

        Only images of one canvas share a pass: the cells of SOLOv2 divide the canvas, and the
        instances of an image must not depend on who else asks.
        """
        found: dict[int, Detections] = {}
        order = sorted(range(len(images)), key=lambda i: canvas_of(images[i]))
        for _, group in groupby(order, key=lambda i: canvas_of(images[i])):
            places = list(group)
            network_images = [images[i].network_image for i in places]
            found |= dict(zip(places, self.segmenter.detect(network_images), strict=True))
        return [found[i] for i in range(len(images))]

    def finish(
        self, image: Decoded, detections: Detections, threshold: float, max_instances: int
    ) -> Segmented:
        """The best of the detections, as masks of the original size."""
        found = self.segmenter.full_size(
            detections.best(threshold, max_instances), image.network_size, image.size
        )
        return Segmented(
            model=self.name,
            image=image.info,
            categories=self.categories,
            instances=[
                Instance(label=label, score=score, mask=mask)
                for label, score, mask in zip(found.labels, found.scores, found.masks, strict=True)
            ],
        )

    def describe(self) -> dict[str, Any]:
        """The part of `GET /v1/models` that is about the student."""
        sides = self.segmenter.config.sides
        return {"models": [described(self.name, self.categories, sides, self.metrics)]}


def with_instances(segmenter: Segmenter, max_instances: int) -> Segmenter:
    """The same segmenter, which may find up to this number of instances."""
    inference = segmenter.config.inference.model_copy(update={"max_instances": max_instances})
    segmenter.config = segmenter.config.model_copy(update={"inference": inference})
    return segmenter


def canvas_of(image: Decoded) -> tuple[int, int]:
    """(height, width) of the canvas to which the network pads the image."""
    height, width = (-(-side // PADDING_MULTIPLE) * PADDING_MULTIPLE for side in image.network_size)
    return height, width
