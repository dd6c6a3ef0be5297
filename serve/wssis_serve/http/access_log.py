"""Counts every request when it is answered, and logs it where the log is JSON."""

import asyncio
import logging
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ray_wssis.logs import wants_json
from wssis_serve.errors import ApiError
from wssis_serve.figures import Answered
from wssis_serve.segmented import Mapped, Segmented

FLUSH_EVERY = 0.5  # seconds
PROBES = ("/healthz", "/readyz", "/health", "/metrics")  # monitors ask for them all the time

logger = logging.getLogger(__name__)


class AccessLog:
    """Middleware that notes every request when it is answered, whoever answered it.

    In a JSON log each request is a line, except for probes that succeed.
    """

    def __init__(self, app: ASGIApp, state: Any) -> None:
        self.app = app
        self.state = state
        self.is_logged = wants_json()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        start, status = time.perf_counter(), 500

        async def watch(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        self.state.num_open += 1
        try:
            await self.app(scope, receive, watch)
        finally:
            self.state.num_open -= 1
            answered = Answered(
                route=getattr(scope.get("route"), "path", "other"),
                method=scope["method"],
                status=status,
                seconds=time.perf_counter() - start,
                **scope.get("state", {}).get("counted", {}),
            )
            self.state.answered.append(answered)
            if self.is_logged and not (status < 400 and answered.route in PROBES):
                log(answered, scope)


def remember(request: Request, answer: Segmented | Mapped) -> None:
    """Note the part of an answer that is counted and logged, besides its time."""
    request.state.model = answer.model.hash
    request.state.counted = {"batch_size": answer.batch_size, "steps": answer.seconds}
    if isinstance(answer, Segmented):
        number = sum(instance.mask is not None for instance in answer.instances)
        request.state.counted["num_instances"] = number


def log(answered: Answered, scope: Scope) -> None:
    """Write a line for a request, with the id that its answer carries and the hash of the model."""
    state = scope.get("state", {})
    figures = {
        "stage": "serve",
        "request_id": state.get("request_id"),
        "client": scope["client"][0] if scope.get("client") else None,
        "method": answered.method,
        "path": scope["path"],
        "route": answered.route,
        "status": answered.status,
        "seconds": round(answered.seconds, 6),
        "model": state.get("model"),
    }
    sentence = f"{answered.method} {scope['path']} {answered.status}"
    logger.info("%s", sentence, extra=figures)


@asynccontextmanager
async def counting(api: FastAPI) -> AsyncIterator[None]:
    """Send the counts to the coordinator for as long as the application runs."""

    async def keep_flushing() -> None:
        while True:
            await asyncio.sleep(FLUSH_EVERY)
            await flush(api.state)

    api.state.ingress = uuid.uuid4().hex[:8]
    task = asyncio.create_task(keep_flushing())
    yield
    task.cancel()


async def flush(state: Any) -> None:
    """Send the counts that the coordinator does not have yet."""
    answered, state.answered = state.answered, []
    if answered or state.num_open:
        try:
            await state.backend.count(state.ingress, answered, state.num_open)
        except ApiError:  # the coordinator is starting: the next flush sends them
            state.answered = answered + state.answered
