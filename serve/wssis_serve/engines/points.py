"""The point engine: teacher and refiner draw the objects that a person clicks.

One engine is one set of weights.  Nothing here knows HTTP or Ray.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any

import torch
from upath import UPath

from ray_wssis.artifacts import short_hash
from ray_wssis.data.records import Category, Object, Record
from ray_wssis.instance.label_row import REFINED
from ray_wssis.instance.quality import QualityModel
from ray_wssis.instance.segmenter import Segmenter
from ray_wssis.methods.point_wssis.drafts import PointNetworks
from ray_wssis.methods.point_wssis.labeller import finish_row
from ray_wssis.methods.point_wssis.refiner import Refiner
from ray_wssis.methods.walker.obey import obeyed
from ray_wssis.models.model_folder import hash_model
from ray_wssis.models.solov2 import SOLOv2Output
from ray_wssis.storage import read_json
from wssis_serve.config import ServeConfig
from wssis_serve.engines.attempt import HEIGHT, WIDTH, check_model, example_image
from wssis_serve.engines.images import Decoded, decode, image_id_of
from wssis_serve.engines.models import ServedModels, described, metrics_of
from wssis_serve.errors import ApiError
from wssis_serve.segmented import Instance, ModelName, PointQuery, Segmented

MEGABYTE = 1_000_000


@dataclass(frozen=True, kw_only=True)
class Seen:
    """An image that is being clicked, with the teacher's output for it."""

    image: Decoded
    output: SOLOv2Output

    @property
    def num_bytes(self) -> int:
        tensors = [
            *self.output.class_logits,
            *self.output.kernels,
            self.output.mask_features,
        ]
        return self.image.pixels.nbytes + sum(tensor.nbytes for tensor in tensors)


class PointEngine:
    """Draws the masks of objects that a person points at."""

    def __init__(self, models: ServedModels, config: ServeConfig, device: torch.device) -> None:
        assert models.teacher is not None and models.refiner is not None
        folders = UPath(models.teacher), UPath(models.refiner)
        self.networks = PointNetworks(
            Segmenter.load(folders[0], device), Refiner.load(folders[1], device)
        )
        self.quality = (
            None
            if models.calibration is None
            else QualityModel.from_json(read_json(UPath(models.calibration)))
        )
        self.names = [
            ModelName(name=name, hash=short_hash(hash_model(folder)))
            for name, folder in zip(("teacher", "refiner"), folders, strict=True)
        ]
        self.metrics = [
            metrics_of(models, f"{folders[0].parent.name}/"),
            metrics_of(models, "pseudo/refined/"),
        ]
        self.memory = ImageMemory(config.remember_megabytes * MEGABYTE)
        self.max_megapixels = config.max_megapixels

    @property
    def categories(self) -> tuple[Category, ...]:
        return self.networks.teacher.categories

    def attempt(self) -> None:
        """Answer once.  Raises whatever keeps the networks from it."""
        assert self.networks.refiner is not None
        check_model(self.categories, self.networks.teacher.network, self.networks.refiner.network)
        point = PointQuery(x=WIDTH / 2, y=HEIGHT / 2, category=self.categories[0].name)
        self.masks(example_image(), None, [point])
        self.memory.clear()

    def masks(
        self, data: bytes | None, image_id: str | None, points: Sequence[PointQuery]
    ) -> Segmented:
        """The mask of each point, in order: refined, unless the audit found the rough ones better.

        Further clicks change the mask where they contradict it (`methods/walker/obey.py`).

        An image that was seen a little while ago is known by its id, and is not inferred again.
        Raises ApiError for a class or a place that does not exist, or an id that is not known.
        """
        labels = labels_of(points, self.categories)
        seen = self.look(data, image_id)
        image = seen.image
        check_places(points, image)
        draft = self.networks.draft_of(
            seen.output, 0, record_of(image, points, labels), image.pixels, image.network_size
        )
        row = finish_row(draft.to_row())
        drawn = row[REFINED if self.quality is None else self.quality.masks]
        masks = [
            obeyed(image.pixels, mask, (point.x, point.y), point.clicks)
            if point.clicks and mask is not None
            else mask
            for mask, point in zip(drawn, points, strict=True)
        ]
        expected = [None] * len(points) if self.quality is None else self.quality.expected_iou(row)
        return Segmented(
            model=self.names[0],
            image=image.info,
            categories=self.categories,
            instances=[
                Instance(
                    label=labels[i],
                    score=0.0 if masks[i] is None else row["refined_score"][i],
                    mask=masks[i],
                    point=(point.x, point.y),
                    expected_iou=expected[i],
                    flags=row["flags"][i],
                )
                for i, point in enumerate(points)
            ],
        )

    def look(self, data: bytes | None, image_id: str | None) -> Seen:
        """The image and the teacher's output for it, remembered or new."""
        key = image_id if data is None else image_id_of(data)
        assert key is not None
        seen = self.memory.get(key)
        if seen is not None:
            return seen
        if data is None:
            raise ApiError(
                404, "unknown_image", f"image {key:.64} is no longer in memory; send it again"
            )
        teacher = self.networks.teacher
        image = decode(
            data, teacher.config.sides, needs_original=True, max_megapixels=self.max_megapixels
        )
        seen = Seen(image=image, output=teacher.forward([image.network_image]))
        self.memory.put(key, seen)
        return seen

    def describe(self) -> dict[str, Any]:
        """The part of `GET /v1/models` that is about teacher and refiner."""
        sides = self.networks.teacher.config.sides, None
        return {
            "models": [
                described(name, self.categories, size, metrics)
                for name, size, metrics in zip(self.names, sides, self.metrics, strict=True)
            ],
            "calibrated": self.quality is not None and self.quality.regression is not None,
        }


class ImageMemory:
    """The images that were asked about last, up to a number of bytes.  Threads may share it."""

    def __init__(self, max_bytes: float) -> None:
        self.max_bytes = max_bytes
        self.num_bytes = 0
        self.images: OrderedDict[str, Seen] = OrderedDict()
        self.lock = Lock()

    def clear(self) -> None:
        with self.lock:
            self.images.clear()
            self.num_bytes = 0

    def get(self, key: str) -> Seen | None:
        with self.lock:
            if key in self.images:
                self.images.move_to_end(key)
            return self.images.get(key)

    def put(self, key: str, seen: Seen) -> None:
        with self.lock:
            if key not in self.images:
                self.images[key] = seen
                self.num_bytes += seen.num_bytes
            while self.num_bytes > self.max_bytes:
                _, oldest = self.images.popitem(last=False)
                self.num_bytes -= oldest.num_bytes


def labels_of(points: Sequence[PointQuery], categories: Sequence[Category]) -> list[int]:
    """The label of each point.  Raises ApiError for a class that the model does not know."""
    known: dict[str | int, int] = {}
    for label, category in enumerate(categories):
        known |= {category.name: label, category.id: label}
    for place, point in enumerate(points):
        if point.category not in known:
            names = ", ".join(f"{category.name} ({category.id})" for category in categories[:20])
            raise ApiError(
                422,
                "unprocessable",
                f"points.{place}: there is no class {str(point.category)[:60]!r}; "
                f"the model knows {names}",
            )
    return [known[point.category] for point in points]


def check_places(points: Sequence[PointQuery], image: Decoded) -> None:
    """Raise ApiError for a point or a click outside the image."""
    for place, point in enumerate(points):
        for x, y in [(point.x, point.y), *((click.x, click.y) for click in point.clicks)]:
            if not (0 <= x < image.width and 0 <= y < image.height):
                raise ApiError(
                    422,
                    "unprocessable",
                    f"points.{place}: ({x:g}, {y:g}) is outside the {image.width} x "
                    f"{image.height} image",
                )


def record_of(image: Decoded, points: Sequence[PointQuery], labels: Sequence[int]) -> Record:
    """The points as the record that the labeller works on.

    Further clicks are not in it: the networks hardly obey them, and draw other objects instead.
    """
    return Record(
        image_id=0,
        file=image.id,
        width=image.width,
        height=image.height,
        objects=tuple(
            Object(
                annotation_id=place,
                label=label,
                point=(point.x, point.y),
            )
            for place, (point, label) in enumerate(zip(points, labels, strict=True))
        ),
    )
