"""Asks an ASGI application without a server."""

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

HOST = {"host": "localhost:8000"}


@dataclass
class Answer:
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def code(self) -> str:
        return str(json.loads(self.body)["error"]["code"])

    @property
    def message(self) -> str:
        return str(json.loads(self.body)["error"]["message"])


async def length_of_body(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with the number of bytes received."""
    length, more = 0, True
    while more:
        message = await receive()
        length, more = length + len(message["body"]), message.get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(length).encode()})


async def ask(
    guard: ASGIApp,
    path: str = "/v1/models",
    method: str = "GET",
    headers: dict[str, str] | None = None,
    parts: tuple[bytes, ...] = (b"",),
    client: str = "10.0.0.1",
    root_path: str = "",
) -> Answer:
    """The answer to a request.  A body that is shorter than its headers say never ends."""
    answer, waiting = Answer(), list(parts)
    sent = HOST | (headers or {})
    whole = "content-length" not in sent or int(sent["content-length"]) <= len(b"".join(parts))

    async def receive() -> Message:
        if not waiting:
            await asyncio.Event().wait()
        part = waiting.pop(0)
        return {"type": "http.request", "body": part, "more_body": bool(waiting) or not whole}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            assert answer.status == 0, "answered twice"
            answer.status = message["status"]
            answer.headers = {key.decode(): value.decode() for key, value in message["headers"]}
        else:
            answer.body += message["body"]

    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "root_path": root_path,
        "query_string": b"",
        "headers": [(key.encode(), value.encode("latin-1")) for key, value in sent.items()],
        "client": (client, 1234),
    }
    await guard(scope, receive, send)
    return answer


def asked(guard: ASGIApp, *args: Any, **kwargs: Any) -> Answer:
    return asyncio.run(ask(guard, *args, **kwargs))
