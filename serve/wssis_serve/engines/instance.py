"""The networks at work on single pictures: the student by itself, teacher and refiner for points.

One engine is one set of weights.  Nothing here knows HTTP or Ray.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from threading import Lock
from typing import Any

import torch
from upath import UPath

from ray_wssis.artifacts import short_hash
from ray_wssis.data.records import Category, Object, Record
from ray_wssis.instance.quality import QualityModel
from ray_wssis.instance.segmenter import Segmenter
from ray_wssis.instance.segmenter_config import SegmenterConfig
from ray_wssis.methods.point_wssis.drafts import PointNetworks
from ray_wssis.methods.point_wssis.labeller import finish_row
from ray_wssis.methods.point_wssis.refiner import Refiner
from ray_wssis.models.model_folder import hash_model
from ray_wssis.models.solov2 import PADDING_MULTIPLE, SOLOv2Output
from ray_wssis.models.solov2_inference import Detections
from ray_wssis.storage import read_json
from wssis_serve.backend import ImageInfo, Instance, ModelName, PointQuery, Segmented
from wssis_serve.config import ServeConfig
from wssis_serve.engines.images import Decoded, decode, picture_id
from wssis_serve.http.errors import ApiError
from wssis_serve.models import ServedModels, metrics_of

MEGABYTE = 1_000_000


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
        """The picture at the network's size."""
        sides = self.segmenter.config.sides
        return decode(data, sides, needs_original=False, max_megapixels=self.max_megapixels)

    def detect(self, pictures: Sequence[Decoded]) -> list[Detections]:
        """What the network sees in each picture.

        Only pictures of one canvas go through it together: the cells of SOLOv2 divide the canvas,
        and what is found in a picture must not depend on who else asks.
        """
        found: dict[int, Detections] = {}
        order = sorted(range(len(pictures)), key=lambda i: canvas_of(pictures[i]))
        for _, group in groupby(order, key=lambda i: canvas_of(pictures[i])):
            places = list(group)
            images = [pictures[i].network_image for i in places]
            found |= dict(zip(places, self.segmenter.detect(images), strict=True))
        return [found[i] for i in range(len(pictures))]

    def finish(
        self, picture: Decoded, seen: Detections, threshold: float, max_instances: int
    ) -> Segmented:
        """The best of what was detected, as masks of the original size."""
        found = self.segmenter.full_size(
            seen.best(threshold, max_instances), picture.network_size, picture.size
        )
        return Segmented(
            model=self.name,
            image=info_of(picture),
            categories=self.categories,
            instances=[
                Instance(label=label, score=score, mask=mask)
                for label, score, mask in zip(found.labels, found.scores, found.masks, strict=True)
            ],
        )

    def describe(self) -> dict[str, Any]:
        config = self.segmenter.config
        return {"models": [described(self.name, self.categories, config, self.metrics)]}


@dataclass(frozen=True, kw_only=True)
class Seen:
    """A picture that somebody clicks, and what the teacher says about it."""

    picture: Decoded
    output: SOLOv2Output

    @property
    def num_bytes(self) -> int:
        tensors = [
            *self.output.class_logits,
            *self.output.kernels,
            self.output.mask_features,
        ]
        return self.picture.image.nbytes + sum(tensor.nbytes for tensor in tensors)


class PointEngine:
    """Draws the masks of objects that somebody points at."""

    def __init__(self, models: ServedModels, config: ServeConfig, device: torch.device) -> None:
        assert models.teacher is not None and models.refiner is not None
        folders = UPath(models.teacher), UPath(models.refiner)
        self.labeller = PointNetworks(
            Segmenter.load(folders[0], device), Refiner.load(folders[1], device)
        )
        self.quality = (
            None
            if models.calibration is None
            else QualityModel.from_json(read_json(UPath(models.calibration)))
        )
        names = ("teacher", "refiner")
        hashes = [short_hash(hash_model(folder)) for folder in folders]
        self.names = [ModelName(name=name, hash=it) for name, it in zip(names, hashes, strict=True)]
        self.metrics = [metrics_of(models, "teacher/"), metrics_of(models, "pseudo/refined/")]
        self.memory = PictureMemory(config.remember_megabytes * MEGABYTE)
        self.max_megapixels = config.max_megapixels

    @property
    def categories(self) -> tuple[Category, ...]:
        return self.labeller.teacher.categories

    def masks(
        self, data: bytes | None, image_id: str | None, points: Sequence[PointQuery]
    ) -> Segmented:
        """The refined mask of each point, in order.

        A picture that was seen a little while ago is known by its id, and is not looked at again.
        """
        seen = self.look(data, image_id)
        picture = seen.picture
        check_points(points, picture, len(self.categories))
        record = record_of(picture, points)
        draft = self.labeller.draft_of(
            seen.output, 0, record, picture.image, picture.network_image.shape[:2]
        )
        row = finish_row(draft.to_row())
        expected = [None] * len(points) if self.quality is None else self.quality.expected_iou(row)
        return Segmented(
            model=self.names[0],
            image=info_of(picture),
            categories=self.categories,
            instances=[
                Instance(
                    label=point.label,
                    score=0.0 if row["refined"][i] is None else row["refined_score"][i],
                    mask=row["refined"][i],
                    point=(point.x, point.y),
                    expected_iou=expected[i],
                    alarms=row["flags"][i],
                )
                for i, point in enumerate(points)
            ],
        )

    def look(self, data: bytes | None, image_id: str | None) -> Seen:
        """The picture and what the teacher says, remembered or new."""
        key = image_id if data is None else picture_id(data)
        assert key is not None
        seen = self.memory.get(key)
        if seen is not None:
            return seen
        if data is None:
            raise ApiError(
                404, "unknown_image", f"the picture {key:.64} is not at hand; send it again"
            )
        teacher = self.labeller.teacher
        picture = decode(
            data, teacher.config.sides, needs_original=True, max_megapixels=self.max_megapixels
        )
        seen = Seen(picture=picture, output=teacher.forward([picture.network_image]))
        self.memory.put(key, seen)
        return seen

    def describe(self) -> dict[str, Any]:
        configs = self.labeller.teacher.config, None
        return {
            "models": [
                described(name, self.categories, config, metrics)
                for name, config, metrics in zip(self.names, configs, self.metrics, strict=True)
            ],
            "calibrated": self.quality is not None and self.quality.regression is not None,
        }


class PictureMemory:
    """The pictures that were asked for last, up to some bytes.  Threads may share it."""

    def __init__(self, max_bytes: float) -> None:
        self.max_bytes = max_bytes
        self.num_bytes = 0
        self.pictures: OrderedDict[str, Seen] = OrderedDict()
        self.lock = Lock()

    def get(self, key: str) -> Seen | None:
        with self.lock:
            if key in self.pictures:
                self.pictures.move_to_end(key)
            return self.pictures.get(key)

    def put(self, key: str, seen: Seen) -> None:
        with self.lock:
            if key not in self.pictures:
                self.pictures[key] = seen
                self.num_bytes += seen.num_bytes
            while self.num_bytes > self.max_bytes:
                _, oldest = self.pictures.popitem(last=False)
                self.num_bytes -= oldest.num_bytes


def with_instances(segmenter: Segmenter, max_instances: int) -> Segmenter:
    """The same segmenter, which may find so many."""
    inference = segmenter.config.inference.model_copy(update={"max_instances": max_instances})
    segmenter.config = segmenter.config.model_copy(update={"inference": inference})
    return segmenter


def canvas_of(picture: Decoded) -> tuple[int, int]:
    """Height and width that the network pads the picture to."""
    height, width = picture.network_size
    return -(-height // PADDING_MULTIPLE), -(-width // PADDING_MULTIPLE)


def check_points(points: Sequence[PointQuery], picture: Decoded, num_classes: int) -> None:
    """ApiError for a point or a click beside the picture, or of a class that is gone."""
    for place, point in enumerate(points):
        for x, y in [(point.x, point.y), *((click.x, click.y) for click in point.clicks)]:
            if not (0 <= x < picture.width and 0 <= y < picture.height):
                raise ApiError(
                    422,
                    "unprocessable",
                    f"points.{place}: ({x:g}, {y:g}) is outside the {picture.width} x "
                    f"{picture.height} picture",
                )
        if not 0 <= point.label < num_classes:
            raise ApiError(
                422, "unprocessable", f"points.{place}: the model has only {num_classes} classes"
            )


def info_of(picture: Decoded) -> ImageInfo:
    return ImageInfo(id=picture.id, width=picture.width, height=picture.height)


def record_of(picture: Decoded, points: Sequence[PointQuery]) -> Record:
    return Record(
        image_id=0,
        file=picture.id,
        width=picture.width,
        height=picture.height,
        objects=tuple(
            Object(
                annotation_id=place,
                label=point.label,
                point=(point.x, point.y),
                clicks=tuple(point.clicks),
            )
            for place, point in enumerate(points)
        ),
    )


def described(
    name: ModelName,
    categories: Sequence[Category],
    config: SegmenterConfig | None,
    metrics: dict[str, Any] | None,
) -> dict[str, Any]:
    """A model as `GET /v1/models` says it."""
    return {
        "name": name.name,
        "hash": name.hash,
        "classes": [{"category_id": each.id, "name": each.name} for each in categories],
        "shorter": None if config is None else config.shorter,
        "longest": None if config is None else config.longest,
        "metrics": metrics,
    }
