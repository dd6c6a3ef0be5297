"""Calls that come while one is under way are made together.

Whoever comes first is not kept waiting for others, and a process that is busy takes all who came
meanwhile at once.  `ray.serve.batch` cannot do both: it takes its next batch while one still runs,
so that without a waiting time every call becomes a batch of its own.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

Asked = TypeVar("Asked")
Answer = TypeVar("Answer")


class Together(Generic[Asked, Answer]):
    """`await together(asked)` is the entry for `asked` of what `work` makes of several."""

    def __init__(
        self, work: Callable[[list[Asked]], Awaitable[list[Answer]]], at_most: int
    ) -> None:
        self.work = work
        self.at_most = at_most
        self.waiting: list[tuple[Asked, asyncio.Future[Answer]]] = []
        self.task: asyncio.Task[None] | None = None

    async def __call__(self, asked: Asked) -> Answer:
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self.waiting.append((asked, answer))
        if self.task is None or self.task.done():
            self.task = asyncio.create_task(self.work_off())
        return await answer

    async def work_off(self) -> None:
        """Work until nobody waits.  Who has given up waiting is left out."""
        while self.waiting:
            batch, self.waiting = self.waiting[: self.at_most], self.waiting[self.at_most :]
            batch = [(asked, answer) for asked, answer in batch if not answer.done()]
            try:
                made = await self.work([asked for asked, _ in batch]) if batch else []
            except Exception as error:
                for _, answer in batch:
                    if not answer.done():
                        answer.set_exception(error)
                continue
            for (_, answer), each in zip(batch, made, strict=True):
                if not answer.done():
                    answer.set_result(each)
