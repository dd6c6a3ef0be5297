"""Answers on the port of the endpoint while nobody else can: 503, with the time to ask again."""

import asyncio
import json
import socket
from contextlib import suppress

from wssis_serve.errors import ApiError
from wssis_serve.request_id import is_request_id

READ_WITHIN = 5.0  # seconds for a request
MOST_BYTES = 64_000_000  # of a body, which is read so that the client hears the answer
BLOCK = 1 << 16
AGAIN_AFTER = 2.0  # seconds


class Stopgap:
    """Holds the listening socket, and answers on it from `open` to `close`."""

    def __init__(self, listening: socket.socket) -> None:
        self.listening = listening
        self.server: asyncio.Server | None = None
        self.reason = ""

    async def open(self, reason: str) -> None:
        """Answer every request with 503 and this reason."""
        self.reason = reason
        if self.server is None:
            self.server = await asyncio.start_server(self.answer, sock=self.listening.dup())

    def close(self) -> None:
        """Leave the port to another process; it stays open."""
        if self.server is not None:
            self.server.close()
            self.server = None

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        sent_id = None
        with suppress(OSError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            with suppress(TimeoutError):
                async with asyncio.timeout(READ_WITHIN):
                    sent_id = await skip_request(reader)
            writer.write(response(self.reason, sent_id))
            await writer.drain()
        writer.close()


async def skip_request(reader: asyncio.StreamReader) -> str | None:
    """Read one request with a body of known length; return the id that it has, if any."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    headers = {
        name.strip().lower(): value.strip()
        for name, _, value in (line.partition(":") for line in head.split("\r\n")[1:])
    }
    left = min(int(headers.get("content-length", 0)), MOST_BYTES)
    while left > 0 and (block := await reader.read(min(left, BLOCK))):
        left -= len(block)
    sent_id = headers.get("x-request-id", "")
    return sent_id if is_request_id(sent_id) else None


def response(reason: str, sent_id: str | None) -> bytes:
    error = ApiError(503, "not_ready", reason, AGAIN_AFTER)
    body = json.dumps(error.body()).encode()
    headers = {
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        "Connection": "close",
        **error.headers(),
        **({} if sent_id is None else {"X-Request-Id": sent_id}),
    }
    lines = [f"{name}: {value}\r\n" for name, value in headers.items()]
    return f"HTTP/1.1 503 Service Unavailable\r\n{''.join(lines)}\r\n".encode() + body
