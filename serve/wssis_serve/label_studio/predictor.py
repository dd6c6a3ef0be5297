"""Predictions for the tasks of one request: brush regions of clicked, stored or found objects."""

import asyncio
import time
import uuid
from dataclasses import dataclass
from typing import Any

from wssis_serve.backend import Backend
from wssis_serve.config import ServeConfig
from wssis_serve.errors import ApiError, unprocessable
from wssis_serve.http.answers import masks_of
from wssis_serve.label_studio.brush import to_brush
from wssis_serve.label_studio.choices import chosen_tags
from wssis_serve.label_studio.images import checked_image
from wssis_serve.label_studio.points import (
    Marks,
    Region,
    Size,
    Task,
    clicked_objects,
    key_points,
    pointed_objects,
    stored_points,
)
from wssis_serve.label_studio.project import Tags
from wssis_serve.segmented import Mapped, PointQuery, Question, Segmented

AT_A_TIME = 8  # tasks of a request


@dataclass(frozen=True, kw_only=True)
class Predictor:
    backend: Backend
    config: ServeConfig
    tags: Tags
    known: list[str]  # names of the model's classes
    version: str
    uses_points: bool  # False: the model draws class maps, whatever was pointed at

    async def click(self, task: Task, context: Marks) -> dict[str, Any]:
        """The objects that a person is clicking, one for each class."""
        points = key_points(context)
        image, size = await self.image_of(task)
        return await self.masks(image, clicked_objects(points, size, self.known))

    async def predict(self, tasks: list[Task]) -> list[dict[str, Any]]:
        """A prediction, or an error, for each task that nobody has open."""
        deadline = time.monotonic() + self.config.timeout_s
        turns = asyncio.Semaphore(AT_A_TIME)

        async def one(task: Task) -> dict[str, Any]:
            async with turns:
                if time.monotonic() > deadline:
                    return {"error": "there was no time left for this task; ask again"}
                try:
                    return await self.pre_annotate(task)
                except ApiError as error:
                    return {"error": error.message}

        return await asyncio.gather(*map(one, tasks))

    async def pre_annotate(self, task: Task) -> dict[str, Any]:
        """A mask for each stored point; without points, what the student finds by itself."""
        points = stored_points(task) if self.uses_points else []
        tags = None if self.uses_points else chosen_tags(task, self.known)
        image, size = await self.image_of(task)
        if points:
            return await self.masks(image, pointed_objects(points, size, self.known))
        return await self.prediction(await self.backend.segment(image, Question(tags=tags)))

    async def masks(self, image: bytes, objects: list[PointQuery]) -> dict[str, Any]:
        if not objects:
            return {"result": [], "score": 0.0, "model_version": self.version}
        if len(objects) > self.config.max_points:
            raise ApiError(
                413,
                "too_large",
                f"{len(objects)} points in one image, at most {self.config.max_points} are "
                "accepted",
            )
        return await self.prediction(await self.backend.masks(image, None, objects))

    async def prediction(self, answer: Segmented | Mapped) -> dict[str, Any]:
        regions = await asyncio.to_thread(brush_regions, answer, self.tags)
        scores = [region["score"] for region in regions]
        mean = sum(scores) / len(scores) if scores else 0.0
        return {"result": regions, "score": mean, "model_version": self.version}

    async def image_of(self, task: Task) -> tuple[bytes, Size]:
        """The bytes of the image of a task, and its size as displayed."""
        name = task.data.get(self.tags.data_key)
        if not isinstance(name, str):
            raise unprocessable(f"the task has no image in its data, as {self.tags.data_key!r}")
        return await asyncio.to_thread(checked_image, name, self.config)


def brush_regions(answer: Segmented | Mapped, tags: Tags) -> list[Region]:
    """The masks of the classes that the brush has; of a class map, one for each class."""
    width, height = answer.image.width, answer.image.height
    return [
        {
            "id": uuid.uuid4().hex[:10],
            "from_name": tags.brush,
            "to_name": tags.image,
            "type": "brushlabels",
            "original_width": width,
            "original_height": height,
            "image_rotation": 0,
            "score": round(score, 4),
            "value": {
                "format": "rle",
                "rle": to_brush(mask, height, width),
                "brushlabels": [answer.categories[label].name],
            },
        }
        for label, score, mask in masks_of(answer)
        if answer.categories[label].name in tags.class_names
    ]
