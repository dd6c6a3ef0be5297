"""Batches of the calls that arrive while an earlier one is running.

The first caller never waits for others, and a busy process takes everything that has arrived in
the meantime at once.  `ray.serve.batch` cannot do both: it takes its next batch while one is still
running, so that without a wait time every call becomes a batch of its own.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

Query = TypeVar("Query")
Answer = TypeVar("Answer")


class MicroBatcher(Generic[Query, Answer]):
    """`await batcher(query)` returns the answer of `work` to `query`, asked among others.

    At most `at_once` batches are worked on at the same time.
    """

    def __init__(
        self,
        work: Callable[[list[Query]], Awaitable[list[Answer]]],
        max_batch_size: int,
        at_once: int = 1,
    ) -> None:
        self.work = work
        self.max_batch_size = max_batch_size
        self.at_once = at_once
        self.queue: list[tuple[Query, asyncio.Future[Answer]]] = []
        self.tasks: list[asyncio.Task[None]] = []

    async def __call__(self, query: Query) -> Answer:
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self.queue.append((query, answer))
        self.tasks = [task for task in self.tasks if not task.done()]
        if len(self.tasks) < self.at_once:
            self.tasks.append(asyncio.create_task(self.drain()))
        return await answer

    async def drain(self) -> None:
        """Work until the queue is empty.  Callers that have given up are left out."""
        while self.queue:
            size = self.max_batch_size
            batch, self.queue = self.queue[:size], self.queue[size:]
            batch = [(query, answer) for query, answer in batch if not answer.done()]
            try:
                results = await self.work([query for query, _ in batch]) if batch else []
            except Exception as error:
                for _, answer in batch:
                    if not answer.done():
                        answer.set_exception(error)
                continue
            for (_, answer), result in zip(batch, results, strict=True):
                if not answer.done():
                    answer.set_result(result)
