"""The engine of a student that finds the instances of images.

One engine is one set of weights.  Nothing here knows HTTP or Ray.
"""

from collections.abc import Sequence
from typing import Any, TypeVar

import torch
from upath import UPath

from ray_wssis.artifacts import short_hash
from ray_wssis.data.records import Category
from ray_wssis.instance.query_segmenter import QuerySegmenter, load_segmenter
from ray_wssis.instance.seams import segment_huge
from ray_wssis.instance.segmenter import Found, Segmenter
from ray_wssis.models.model_folder import hash_model
from ray_wssis.models.solov2_inference import Detections
from wssis_serve.config import ServeConfig
from wssis_serve.engines.attempt import check_model, example_image
from wssis_serve.engines.canvas import by_canvas
from wssis_serve.engines.images import Decoded, decode
from wssis_serve.engines.models import ServedModels, described, metrics_of
from wssis_serve.engines.runtime.graph import InstanceMaps, joined
from wssis_serve.engines.runtime.runtime import Runtime
from wssis_serve.errors import unprocessable
from wssis_serve.segmented import Instance, Kind, ModelName, Question, Segmented

AnySegmenter = TypeVar("AnySegmenter", bound=Segmenter | QuerySegmenter)

THRESHOLD, MAX_INSTANCES = 0.3, 100  # where the caller says nothing


class InstanceEngine:
    """Finds instances by itself."""

    def __init__(self, models: ServedModels, config: ServeConfig, device: torch.device) -> None:
        folder = UPath(models.student)
        self.max_instances = config.max_instances
        self.segmenter = with_instances(load_segmenter(folder, device), config.max_instances)
        maps = InstanceMaps(self.segmenter.network)
        self.runtime = Runtime(folder, maps, device)
        self.segmenter.infer = lambda images, sizes: joined(self.runtime(images, sizes))
        self.name = ModelName(name="student", hash=short_hash(hash_model(folder)))
        self.metrics = metrics_of(models, "student/")
        self.max_megapixels = config.max_megapixels

    @property
    def categories(self) -> tuple[Category, ...]:
        return self.segmenter.categories

    @property
    def sides(self) -> tuple[int, int]:
        """The shorter and the longest side of an image in the network, in pixels."""
        return self.segmenter.config.sides

    def attempt(self) -> None:
        """Answer once.  Raises whatever keeps the networks from it."""
        check_model(self.categories, self.segmenter.network)
        image = self.decode(example_image())
        self.finish(image, self.infer([image])[0], Question())

    def check(self, question: Question) -> None:
        """Raise ApiError for a question that is about class maps."""
        if question.tags is not None:
            raise unprocessable(
                "`tags` restrict a class map, and this server finds instances; leave them out"
            )

    def decode(self, data: bytes) -> Decoded:
        """The image at the network's size."""
        by_tiles = self.segmenter.config.tile is not None
        return decode(data, self.sides, needs_original=by_tiles, max_megapixels=self.max_megapixels)

    def infer(self, images: Sequence[Decoded]) -> list[Any]:
        """The detections of the network in each image; of a huge one, what is in its tiles."""
        tile = self.segmenter.config.tile
        huge = [tile is not None and tile.cuts(*image.size) for image in images]
        others = [image for image, is_huge in zip(images, huge, strict=True) if not is_huge]
        seen = iter(by_canvas(others, self.segmenter.detect))
        return [
            segment_huge(self.segmenter, image.pixels, tile)
            if is_huge and tile is not None
            else next(seen)
            for image, is_huge in zip(images, huge, strict=True)
        ]

    def finish(
        self, image: Decoded, detections: Detections | Found, question: Question
    ) -> Segmented:
        """The best of the detections, as masks of the original size."""
        threshold = THRESHOLD if question.threshold is None else question.threshold
        number = min(question.max_instances or MAX_INSTANCES, self.max_instances)
        if isinstance(detections, Found):
            found = detections.best(threshold, number)
        else:
            best = detections.best(threshold, number)
            found = self.segmenter.full_size(best, image.network_size, image.size)
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
        model = described(self.name, self.categories, self.sides, self.metrics)
        model["runtime"] = self.runtime.why
        return {"kind": Kind.SEGMENTER, "models": [model]}


def with_instances(segmenter: AnySegmenter, max_instances: int) -> AnySegmenter:
    """The same segmenter, which may find up to this number of instances."""
    inference = segmenter.config.inference.model_copy(update={"max_instances": max_instances})
    segmenter.config = segmenter.config.model_copy(update={"inference": inference})
    return segmenter
