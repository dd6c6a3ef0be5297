"""The engine of a student that gives every pixel of an image a class.

One engine is one set of weights.  Nothing here knows HTTP or Ray.
"""

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any

import numpy as np
import torch
from torch import Tensor
from upath import UPath

from ray_wssis.artifacts import short_hash
from ray_wssis.data.class_maps.png import encode
from ray_wssis.data.class_maps.tags import background_of
from ray_wssis.data.images.read import RGB
from ray_wssis.data.records import Category
from ray_wssis.models.model_folder import hash_model
from ray_wssis.semantic.segmenter import Drawn, SemanticSegmenter, draw_at
from ray_wssis.semantic.segmenter_config import Views
from wssis_serve.colours import hex_colors
from wssis_serve.config import ServeConfig
from wssis_serve.engines.attempt import check_model, example_image
from wssis_serve.engines.canvas import by_canvas
from wssis_serve.engines.images import Decoded, decode
from wssis_serve.engines.models import ServedModels, described, metrics_of
from wssis_serve.engines.runtime.graph import ClassMaps
from wssis_serve.engines.runtime.runtime import Runtime
from wssis_serve.errors import unprocessable
from wssis_serve.segmented import Kind, Mapped, ModelName, Question, Shown

AT_ONCE = 1 << 20  # pixels that are counted together: a large image needs little memory


class SemanticEngine:
    """Draws class maps."""

    def __init__(self, models: ServedModels, config: ServeConfig, device: torch.device) -> None:
        folder = UPath(models.student)
        self.segmenter = SemanticSegmenter.load(folder, device)
        self.runtime = Runtime(folder, ClassMaps(self.segmenter.network), device)
        self.segmenter.infer = lambda images, sizes: self.runtime(images, sizes)[0]
        self.name = ModelName(name="student", hash=short_hash(hash_model(folder)))
        self.metrics = metrics_of(models, f"{models.stage}/")
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
        """Raise ApiError for a question about instances, or with a tag that is no class."""
        for name in ("threshold", "max_instances"):
            if getattr(question, name) is not None:
                raise unprocessable(
                    f"`{name}` chooses instances, and this server gives every pixel a class; "
                    "leave it out"
                )
        labels_of(question.tags, self.categories)

    def decode(self, data: bytes) -> Decoded:
        """The image at the network's size."""
        return decode(data, self.sides, needs_original=False, max_megapixels=self.max_megapixels)

    def infer(self, images: Sequence[Decoded]) -> list[Tensor]:
        """The logits of each image, [K, h, w], a quarter of its size in the network."""

        def logits(pixels: list[RGB]) -> list[Tensor]:
            return self.segmenter.logits(pixels, Views())

        return by_canvas(images, logits)

    def finish(self, image: Decoded, logits: Tensor, question: Question) -> Mapped:
        """The most probable class of each pixel, among the tags if there are any."""
        tags = labels_of(question.tags, self.categories)
        drawn = draw_at(logits, image.size, tags)
        return Mapped(
            model=self.name,
            image=image.info,
            categories=self.categories,
            class_map=encode(drawn.class_map),
            shown=shown_in(drawn),
            tags=tags,
        )

    def describe(self) -> dict[str, Any]:
        """The part of `GET /v1/models` that is about the student."""
        model = described(self.name, self.categories, self.sides, self.metrics)
        colors = hex_colors(len(self.categories))
        model["classes"] = [
            entry | {"color": color} for entry, color in zip(model["classes"], colors, strict=True)
        ]
        model["runtime"] = self.runtime.why
        return {"kind": Kind.SEMANTIC, "models": [model]}


def shown_in(drawn: Drawn) -> list[Shown]:
    """Measure the classes that a class map shows, by label."""
    labels, confidence = drawn.class_map.ravel(), drawn.confidence.ravel()
    counts = np.zeros(256 * 256, np.int64)  # of pixels, by label and confidence
    for first in range(0, labels.size, AT_ONCE):
        part = slice(first, first + AT_ONCE)
        counts += np.bincount(labels[part] * np.intp(256) + confidence[part], minlength=256 * 256)
    table = counts.reshape(256, 256)
    pixels, sums = table.sum(axis=1), table @ np.arange(256)
    return [
        Shown(
            label=int(label),
            num_pixels=int(pixels[label]),
            confidence=float(sums[label] / pixels[label] / 255),
        )
        for label in np.flatnonzero(pixels)
    ]


def labels_of(
    tags: Sequence[str | int] | None, categories: Sequence[Category]
) -> tuple[int, ...] | None:
    """The labels of tags, ascending, with that of the class named `background`; None for none.

    Raises ApiError for a tag that is no class.
    """
    if tags is None:
        return None
    known: dict[str, int] = {str(category.id): i for i, category in enumerate(categories)}
    known |= {category.name: i for i, category in enumerate(categories)}
    for tag in map(str, tags):
        if tag not in known:
            names = [category.name for category in categories]
            near = get_close_matches(tag, names, n=2)
            listed = ", ".join(f"{category.name} ({category.id})" for category in categories[:20])
            hint = f"did you mean {' or '.join(near)}?" if near else f"the model knows {listed}"
            raise unprocessable(f"tags: there is no class {tag[:60]!r}; {hint}")
    return tuple(sorted({*background_of(categories), *(known[str(tag)] for tag in tags)}))
