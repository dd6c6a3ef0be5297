"""State that exists once, however many replicas: bulk jobs, figures, which model is served, and the
labels of people.
"""

import asyncio
from typing import Any

from wssis_serve.bulk.jobs import Jobs
from wssis_serve.config import ServeConfig
from wssis_serve.errors import ApiError
from wssis_serve.figures import Answered, Figures
from wssis_serve.labelling.opened import answer_of, open_queue
from wssis_serve.labelling.review import Review


class Coordinator:
    def __init__(self, config: ServeConfig) -> None:
        self.model = config.model
        self.counted = Figures()
        self.bulk = Jobs(config)
        self.opened = open_queue(config)
        self.reviewed = Review(config.model) if config.review else None

    async def chosen(self) -> str:
        """The model that a replica serves when it starts."""
        return self.model

    async def choose(self, model: str) -> None:
        self.model = model

    async def count(self, ingress: str, answered: list[Answered], num_open: int) -> None:
        self.counted.count(ingress, answered, num_open)

    async def figures(self) -> bytes:
        return self.counted.text()

    async def submit(self, images: str, points: str) -> dict[str, Any]:
        return await asyncio.to_thread(self.bulk.submit, self.model, images, points)

    async def jobs(self) -> list[dict[str, Any]]:
        return list(await asyncio.to_thread(self.bulk.list))

    async def job(self, job_id: str) -> dict[str, Any]:
        return await asyncio.to_thread(self.bulk.get, job_id)

    async def cancel(self, job_id: str) -> dict[str, Any]:
        return await asyncio.to_thread(self.bulk.cancel, job_id)

    async def retry(self, job_id: str) -> dict[str, Any]:
        return await asyncio.to_thread(self.bulk.retry, job_id)

    async def result(self, job_id: str) -> str:
        return str(await asyncio.to_thread(self.bulk.result, job_id))

    async def queue(self, method: str, *args: Any) -> Any:
        """The answer of the images to label."""
        if self.opened is None:
            raise ApiError(
                404,
                "not_found",
                "this server has no images to label; its operator can offer some with --queue "
                "FOLDER",
            )
        return await asyncio.to_thread(answer_of, self.opened, method, *args)

    async def review(self, method: str, *args: Any) -> Any:
        """The answer of the masks to review."""
        if self.reviewed is None:
            raise ApiError(
                404,
                "not_found",
                "this server has no masks to review; its operator can offer those of a run with "
                "--review",
            )
        return await asyncio.to_thread(getattr(self.reviewed, method), *args)
