"""The port answers while the endpoint cannot."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress

import httpx2
from wssis_serve.one_machine.stopgap import Stopgap


def with_stopgap(check: Callable[[str, Stopgap], Awaitable[None]]) -> None:
    """Run `check` with the address of an open stopgap, and the stopgap."""

    async def run() -> None:
        with socket.create_server(("127.0.0.1", 0)) as listening:
            stopgap = Stopgap(listening)
            await stopgap.open("the endpoint is starting")
            await check(f"http://127.0.0.1:{listening.getsockname()[1]}", stopgap)
            stopgap.close()

    asyncio.run(run())


def test_every_request_is_told_to_come_later() -> None:
    async def check(url: str, stopgap: Stopgap) -> None:
        async with httpx2.AsyncClient() as client:
            for answer in (
                await client.get(f"{url}/healthz", headers={"X-Request-Id": "a-1"}),
                await client.post(
                    f"{url}/v1/segment",
                    content=b"x" * 3_000_000,
                    headers={"x-request-id": "a-1"},
                ),
            ):
                assert answer.status_code == 503
                assert answer.headers["Retry-After"] == "2"
                assert answer.headers["X-Request-Id"] == "a-1"
                expected = {"code": "not_ready", "message": "the endpoint is starting"}
                assert answer.json() == {"error": expected}

    with_stopgap(check)


def test_nonsense_ends_the_connection_and_nothing_else() -> None:
    async def check(url: str, stopgap: Stopgap) -> None:
        port = int(url.rpartition(":")[2])
        for sent in (b"\r\n\r\n", b"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n", b"x" * 200_000):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(sent)
            writer.write_eof()
            with suppress(ConnectionResetError):
                await reader.read()
            writer.close()
        async with httpx2.AsyncClient() as client:
            assert (await client.get(url)).status_code == 503

    with_stopgap(check)


def test_a_closed_stopgap_leaves_the_port_open() -> None:
    async def check(url: str, stopgap: Stopgap) -> None:
        port = int(url.rpartition(":")[2])
        stopgap.close()
        _, writer = await asyncio.open_connection("127.0.0.1", port)  # waits for whoever accepts
        writer.close()
        await stopgap.open("again")
        async with httpx2.AsyncClient() as client:
            assert (await client.get(url)).json()["error"]["message"] == "again"

    with_stopgap(check)
