"""The replicas behind the routes, and the questions that the routes ask them.

A replica may be an actor on a cluster or an object of this process; nothing here can tell.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from upath import UPath

from wssis_serve.errors import ApiError
from wssis_serve.segmented import Kind, Mapped, PointQuery, Question, Segmented


class Replicas(Protocol):
    """Processes of one deployment: each of them can answer."""

    async def ask(self, method: str, *args: Any) -> Any:
        """The answer of one of them.  Raises ApiError when none is available."""

    async def tell(self, method: str, *args: Any) -> list[Any]:
        """The answers of all of them."""


@dataclass(frozen=True, kw_only=True)
class Backend:
    """Raises ApiError wherever a request cannot be answered."""

    student: Replicas
    labeller: Replicas | None  # teacher and refiner; None: only a student is served
    coordinator: Replicas  # the only one: bulk jobs, figures, which model is served
    timeout_s: float
    watchers: list[Callable[[str], None]] = field(default_factory=list)  # told of a reload
    pending: set[asyncio.Future[Any]] = field(default_factory=set)  # answers that are waited for
    lost: list[ApiError] = field(default_factory=list)  # why none will come any more
    reloads: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def segment(self, image: bytes, question: Question) -> Segmented | Mapped:
        """The instances that the student finds, best first, or the class map that it draws."""
        found = await self.within(self.student.ask("segment", image, question))
        assert isinstance(found, Segmented | Mapped)
        return found

    async def masks(
        self, image: bytes | None, image_id: str | None, points: Sequence[PointQuery]
    ) -> Segmented:
        """The refined mask of each point, in order.  Give one of `image` and `image_id`."""
        labeller = self.labeller
        if labeller is None:
            raise await self.no_points()
        drawn = await self.within(labeller.ask("masks", image, image_id, list(points)))
        assert isinstance(drawn, Segmented)
        return drawn

    async def models(self) -> dict[str, Any]:
        """The served models, as `GET /v1/models` describes them."""
        student: dict[str, Any] = await self.within(self.student.ask("describe"))
        if self.labeller is None:
            return student | {"calibrated": False, "takes_points": False}
        labeller: dict[str, Any] = await self.within(self.labeller.ask("describe"))
        models = student["models"] + labeller["models"]
        return student | labeller | {"models": models, "takes_points": True}

    async def ready(self) -> bool:
        """Tell whether the networks are loaded and answer."""
        try:
            await self.models()
        except ApiError:
            return False
        return True

    async def reload(self, model: str) -> None:
        """Serve another model in all replicas; if one of them cannot load it, in none."""
        deployments = [self.student, *([] if self.labeller is None else [self.labeller])]
        async with self.reloads:
            try:
                for replicas in deployments:
                    await replicas.tell("prepare", model)
            except ValueError as error:
                for replicas in deployments:
                    await replicas.tell("forget")
                text = f"{error}; the model stays as it was"
                raise ApiError(422, "unprocessable", text) from error
            await self.coordinator.ask("choose", model)  # for replicas that start later
            for replicas in deployments:
                await replicas.tell("switch", model)
        for told in self.watchers:
            told(model)

    async def no_points(self) -> ApiError:
        """The reason why points get no masks."""
        if (await self.models())["kind"] == Kind.SEMANTIC:
            text = "the served model gives every pixel a class and takes no points: use /v1/segment"
        else:
            text = "only a student is served, and points need a teacher: serve a whole run folder"
        return ApiError(404, "not_found", text)

    async def within(self, answer: Any) -> Any:
        """The answer, if it arrives in time."""
        task = asyncio.ensure_future(answer)
        self.pending.add(task)
        if self.lost:
            task.cancel()
        try:
            async with asyncio.timeout(self.timeout_s):
                return await task
        except TimeoutError:
            raise ApiError(
                503, "overloaded", f"there was no answer within {self.timeout_s:g} s", 5
            ) from None
        except asyncio.CancelledError:
            if self.lost:
                raise self.lost[0] from None
            raise
        finally:
            self.pending.discard(task)

    def give_up(self, error: ApiError) -> None:
        """Answer everything that waits, now and later, with `error`: no answers come any more."""
        self.lost.append(error)
        for task in self.pending:
            task.cancel()

    async def submit(self, images: str, points: str) -> dict[str, Any]:
        """Start a bulk job, or continue it."""
        return dict(await self.within(self.coordinator.ask("submit", images, points)))

    async def jobs(self) -> list[dict[str, Any]]:
        """All bulk jobs, the newest first."""
        return list(await self.within(self.coordinator.ask("jobs")))

    async def job(self, job_id: str) -> dict[str, Any]:
        """A bulk job."""
        return dict(await self.within(self.coordinator.ask("job", job_id)))

    async def cancel(self, job_id: str) -> dict[str, Any]:
        """End a bulk job; finished work is kept."""
        return dict(await self.within(self.coordinator.ask("cancel", job_id)))

    async def retry(self, job_id: str) -> dict[str, Any]:
        """Label the failed images of a bulk job once more."""
        return dict(await self.within(self.coordinator.ask("retry", job_id)))

    async def result(self, job_id: str) -> UPath:
        """The COCO file of a finished bulk job."""
        return UPath(await self.within(self.coordinator.ask("result", job_id)))

    async def queue(self, method: str, *args: Any) -> Any:
        """The answer of `method` of the `Queue` of images to label."""
        return await self.within(self.coordinator.ask("queue", method, *args))

    async def review(self, method: str, *args: Any) -> Any:
        """The answer of `method` of the `Review` of pseudo masks."""
        return await self.within(self.coordinator.ask("review", method, *args))

    async def count(self, ingress: str, requests: list[Any], num_open: int) -> None:
        """Add answered requests, and the number that `ingress` is still working on."""
        await self.within(self.coordinator.ask("count", ingress, requests, num_open))

    async def figures(self) -> bytes:
        """All counts, in Prometheus' text format."""
        return bytes(await self.within(self.coordinator.ask("figures")))
