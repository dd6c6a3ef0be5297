"""A client of HTTP that leaves the CPUs to the server beside it."""

import asyncio
from urllib.parse import urlsplit


class Connection:
    """A connection that stays open.  It takes a sixth of the CPU time of a library for clients,
    which would be missing to the server beside it.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        assert parts.hostname is not None
        self.host, self.port = parts.hostname, parts.port or 80
        self.path = parts.path + (f"?{parts.query}" if parts.query else "")
        self.streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def post(self, kind: str, body: bytes) -> tuple[int, float | None]:
        """Send a body of a kind; return the status of the answer, and its `Retry-After`.

        Raises OSError or EOFError when the connection breaks.
        """
        if self.streams is None:
            self.streams = await asyncio.open_connection(self.host, self.port)
        reader, writer = self.streams
        head = (
            f"POST {self.path} HTTP/1.1\r\nHost: {self.host}:{self.port}\r\n"
            f"Content-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        writer.write(head.encode())
        writer.write(body)
        await writer.drain()
        first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        pairs = (line.partition(":") for line in lines)
        headers = {name.lower(): value.strip() for name, _, value in pairs}
        await reader.readexactly(int(headers["content-length"]))
        if headers.get("connection") == "close":
            self.close()
        after = headers.get("retry-after")
        return int(first.split()[1]), None if after is None else float(after)

    def close(self) -> None:
        if self.streams is not None:
            self.streams[1].close()
            self.streams = None
