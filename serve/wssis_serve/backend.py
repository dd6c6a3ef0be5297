"""What the routes ask for, and the replicas that answer.

A replica may be an actor on a cluster or an object in this process; nothing here can tell.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from upath import UPath

from ray_wssis.data.records import Category, Click
from wssis_serve.http.errors import ApiError


@dataclass(frozen=True, kw_only=True)
class PointQuery:
    """An object that somebody points at."""

    x: float  # pixels of the original picture
    y: float
    label: int  # 0..C-1
    clicks: list[Click] = field(default_factory=list)  # further ones, on and off the object


@dataclass(frozen=True, kw_only=True)
class ModelName:
    """Which network drew the masks."""

    name: str  # student or teacher
    hash: str  # of its folder, 12 digits


@dataclass(frozen=True, kw_only=True)
class ImageInfo:
    id: str  # the same bytes have the same id
    width: int  # pixels of the original picture, after its EXIF rotation
    height: int


@dataclass(frozen=True, kw_only=True)
class Instance:
    """One object of a picture."""

    label: int
    score: float
    mask: bytes | None  # run-length counts for the size of the picture; None: no mask for a point
    point: tuple[float, float] | None = None  # that was asked for
    expected_iou: float | None = None  # of the mask; None where nothing was calibrated
    alarms: list[str] = field(default_factory=list)  # what is odd about the mask


@dataclass(frozen=True, kw_only=True)
class Segmented:
    """The answer to one picture."""

    model: ModelName
    image: ImageInfo
    categories: tuple[Category, ...]
    instances: list[Instance]
    batch_size: int = 1  # pictures in the forward pass
    seconds: dict[str, float] = field(default_factory=dict)  # by step

    def timed(self, seconds: dict[str, float], batch_size: int) -> "Segmented":
        return replace(self, seconds=seconds, batch_size=batch_size)


class Replicas(Protocol):
    """Some processes that can all answer the same."""

    async def ask(self, method: str, *args: Any) -> Any:
        """The answer of one of them.  `ApiError` where there is none."""

    async def tell(self, method: str, *args: Any) -> list[Any]:
        """The answers of all of them."""


@dataclass(frozen=True, kw_only=True)
class Backend:
    """Raises `ApiError` wherever a request cannot be answered."""

    student: Replicas
    labeller: Replicas | None  # teacher and refiner; None: only a student is served
    desk: Replicas  # what there is once: bulk jobs, figures, which model is served
    timeout_s: float

    async def segment(self, picture: bytes, threshold: float, max_instances: int) -> Segmented:
        """The instances that the student finds, best first."""
        found = await self.within(self.student.ask("segment", picture, threshold, max_instances))
        assert isinstance(found, Segmented)
        return found

    async def masks(
        self, picture: bytes | None, image_id: str | None, points: Sequence[PointQuery]
    ) -> Segmented:
        """The refined mask of each point, in order.  One of `picture` and `image_id` is given."""
        drawn = await self.within(self.clickable.ask("masks", picture, image_id, list(points)))
        assert isinstance(drawn, Segmented)
        return drawn

    async def classes(self) -> tuple[Category, ...]:
        """Those of the student; label i is entry i."""
        return tuple(await self.within(self.student.ask("classes")))

    async def models(self) -> dict[str, Any]:
        """What is served, as `GET /v1/models` says it."""
        student: dict[str, Any] = await self.within(self.student.ask("describe"))
        if self.labeller is None:
            return student | {"calibrated": False, "takes_points": False}
        labeller: dict[str, Any] = await self.within(self.labeller.ask("describe"))
        return labeller | {
            "models": student["models"] + labeller["models"],
            "takes_points": True,
        }

    async def ready(self) -> bool:
        """Whether networks are loaded and answer."""
        try:
            await self.models()
        except ApiError:
            return False
        return True

    async def reload(self, model: str) -> None:
        """Serve another model, in all replicas; on an error, in none of them."""
        replicas = [each for each in (self.student, self.labeller) if each is not None]
        try:
            for each in replicas:
                await each.tell("prepare", model)
        except ValueError as error:
            raise ApiError(422, "unprocessable", f"{error}; the model stays as it was") from error
        await self.desk.ask("choose", model)  # for replicas that start later
        for each in replicas:
            await each.tell("switch", model)

    @property
    def clickable(self) -> Replicas:
        if self.labeller is None:
            raise ApiError(
                404,
                "not_found",
                "only a student is served, and points need a teacher: serve a whole run folder",
            )
        return self.labeller

    async def within(self, answer: Any) -> Any:
        """The answer, if it comes in time."""
        try:
            async with asyncio.timeout(self.timeout_s):
                return await answer
        except TimeoutError:
            raise ApiError(
                503, "overloaded", f"there was no answer within {self.timeout_s:g} s", 5
            ) from None

    async def submit(self, images: str, points: str) -> dict[str, Any]:
        """Begin a bulk job, or go on with it."""
        return dict(await self.desk.ask("submit", images, points))

    async def jobs(self) -> list[dict[str, Any]]:
        """All bulk jobs, the newest first."""
        return list(await self.desk.ask("jobs"))

    async def job(self, job_id: str) -> dict[str, Any]:
        """A bulk job."""
        return dict(await self.desk.ask("job", job_id))

    async def cancel(self, job_id: str) -> dict[str, Any]:
        """End a bulk job; what is done stays."""
        return dict(await self.desk.ask("cancel", job_id))

    async def result(self, job_id: str) -> UPath:
        """The COCO file of a bulk job that is done."""
        return UPath(await self.desk.ask("result", job_id))

    async def count(self, door: str, requests: list[Any], waiting: int) -> None:
        """Add requests that were answered, and how many `door` is at."""
        await self.desk.ask("count", door, requests, waiting)

    async def figures(self) -> bytes:
        """All that was counted, as Prometheus reads it."""
        return bytes(await self.desk.ask("figures"))
