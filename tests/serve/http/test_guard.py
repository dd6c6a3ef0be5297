import asyncio
import base64
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send
from wssis_serve.config import ServeConfig
from wssis_serve.errors import ApiError
from wssis_serve.http.guard import MAX_CLIENTS, Guard, RateLimit, read_token

from tests.support.asgi import ask, asked, length_of_body


@dataclass
class Clock:
    now: float = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def no_token_around(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WSSIS_TOKEN", raising=False)


def config(**values: Any) -> ServeConfig:
    return ServeConfig(model="runs/a", **values)


def basic(text: str) -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(text.encode()).decode()}


def test_a_token_opens_as_bearer_and_as_password() -> None:
    guard = Guard(length_of_body, config(token="sesame"))
    for headers in (
        {"authorization": "Bearer sesame"},
        {"authorization": "bearer  sesame "},
        basic("anybody:sesame"),
        basic(":sesame"),
    ):
        assert asked(guard, headers=headers).status == 200


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "sesame",
        "Bearer",
        "Bearer ",
        "Bearer sesam",
        "Bearer sesame2",
        "Bearer Sesame",
        "Bearer s\xe9same",
        "Token sesame",
        "Basic sesame",
        "Basic !!!",
        "Basic \xff",
        basic("sesame")["authorization"],
        basic("sesame:")["authorization"],
        basic("a:b:sesame")["authorization"],
    ],
)
def test_without_the_token_nothing_opens(authorization: str) -> None:
    guard = Guard(length_of_body, config(token="sesame"))
    answer = asked(guard, headers={"authorization": authorization})
    assert (answer.status, answer.code) == (401, "unauthorized")
    assert answer.headers["www-authenticate"] == "Bearer"
    assert "sesame" not in answer.message


@pytest.mark.parametrize("path", ["/", "/healthz", "/readyz", "/health", "/page/page.js"])
def test_the_page_and_health_are_open(path: str) -> None:
    guard = Guard(length_of_body, config(token="sesame"))
    assert asked(guard, path).status == 200
    assert asked(guard, path, "HEAD", {"host": "10.1.2.3"}).status == 200
    assert asked(guard, path, "POST").status == 401
    assert asked(guard, "/wssis" + path, root_path="/wssis").status == 200


@pytest.mark.parametrize("path", ["/metrics", "/healthz/", "/page", "//", "/page.", "/setup", ""])
def test_nothing_else_is_open(path: str) -> None:
    assert asked(Guard(length_of_body, config(token="sesame")), path).status == 401


def test_the_token_comes_from_the_configuration_a_file_or_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "token"
    file.write_text("of the file\n")
    assert read_token(config()) is None
    monkeypatch.setenv("WSSIS_TOKEN", "of the environment")
    assert read_token(config()) == b"of the environment"
    assert read_token(config(token_file=str(file))) == b"of the file"
    assert read_token(config(token="given", token_file=str(file))) == b"given"


def test_an_empty_token_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "token"
    file.write_text("\n")
    with pytest.raises(ValueError, match=r"token_file .*/token: the token is empty"):
        read_token(config(token_file=str(file)))
    monkeypatch.setenv("WSSIS_TOKEN", "")
    with pytest.raises(ValueError, match="WSSIS_TOKEN: the token is empty"):
        Guard(length_of_body, config())


@pytest.mark.parametrize(
    ("host", "origin", "status"),
    [
        ("localhost", None, 200),
        ("LOCALHOST:8000", None, 200),
        ("127.0.0.1:80", None, 200),
        ("[::1]:8000", None, 200),
        ("[::1]", None, 200),
        ("gpu.lab:8000", None, 200),
        ("localhost:8000", "http://localhost:8000", 200),
        ("gpu.lab", "https://gpu.lab", 200),
        ("evil.example", None, 401),  # a name that somebody let point here
        ("localhost.evil.example", None, 401),
        ("evil.example:localhost", None, 401),
        ("", None, 401),
        ("localhost:8000", "http://evil.example", 401),
        ("localhost:8000", "http://localhost:9000", 401),
        ("localhost:8000", "null", 401),
        ("localhost:8000", "", 401),
    ],
)
def test_without_a_token_other_sites_are_kept_out(
    host: str, origin: str | None, status: int
) -> None:
    headers = {"host": host} | ({} if origin is None else {"origin": origin})
    answer = asked(Guard(length_of_body, config(hosts=("GPU.lab",))), headers=headers)
    assert answer.status == status
    assert answer.status == 200 or "set a token" in answer.message


def test_with_a_token_the_host_does_not_matter() -> None:
    headers = {"host": "a.b", "origin": "http://c.d", "authorization": "Bearer sesame"}
    assert asked(Guard(length_of_body, config(token="sesame")), headers=headers).status == 200


def test_a_client_has_so_many_requests_a_minute() -> None:
    clock = Clock()
    guard = Guard(length_of_body, config(requests_per_minute=6), clock)
    assert [asked(guard).status for _ in range(8)] == 6 * [200] + 2 * [429]
    forged = asked(guard, headers={"x-forwarded-for": "10.0.0.9"})
    assert (forged.code, forged.headers["retry-after"]) == ("rate_limited", "10")
    assert asked(guard, client="10.0.0.2").status == 200
    assert asked(guard, "/healthz").status == 200
    clock.now += 9.9
    assert asked(guard).status == 429
    clock.now += 0.2
    assert [asked(guard).status for _ in range(2)] == [200, 429]
    clock.now += 3600
    assert [asked(guard).status for _ in range(7)] == 6 * [200] + [429]


def test_the_rates_of_the_latest_clients_are_remembered() -> None:
    rate = RateLimit(1, Clock())
    for client in range(MAX_CLIENTS + 5):
        rate.check(str(client))
    assert len(rate.buckets) == MAX_CLIENTS
    with pytest.raises(ApiError):
        rate.check("5")
    rate.check("4")  # forgotten


def test_a_request_beyond_the_limit_is_told_when_to_come_again() -> None:
    clock, gate = Clock(), asyncio.Event()

    async def wait(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] == "POST":
            await gate.wait()
        await length_of_body(scope, receive, send)

    async def run() -> None:
        guard = Guard(wait, config(max_waiting=2), clock)
        guard.mean_seconds = 1.0
        first = [asyncio.create_task(ask(guard, method="POST")) for _ in range(2)]
        await asyncio.sleep(0)
        refused = await ask(guard, method="POST")
        assert (refused.status, refused.code) == (503, "overloaded")
        assert refused.headers["retry-after"] == "1"
        assert (await ask(guard)).status == 200  # a lookup
        clock.now += 41
        gate.set()
        assert [(await task).status for task in first] == [200, 200]
        assert (await ask(guard, method="POST")).status == 200
        gate.clear()
        again = [asyncio.create_task(ask(guard, method="POST")) for _ in range(2)]
        await asyncio.sleep(0)
        refused = await ask(guard, method="POST")
        assert refused.headers["retry-after"] == "8"  # recent requests took longer
        gate.set()
        await asyncio.gather(*again)

    asyncio.run(run())


def test_every_answer_has_the_security_headers() -> None:
    guard = Guard(length_of_body, config())
    answers = [asked(guard), asked(guard, headers={"host": "evil.example"})]
    for answer in answers:
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["cache-control"] == "no-store"
    assert "cache-control" not in asked(guard, "/page/page.js").headers
    assert len({answer.headers["x-request-id"] for answer in answers}) == 2


def test_a_request_may_bring_its_id() -> None:
    brought = asked(Guard(break_down, config()), headers={"x-request-id": "a-1"})
    assert brought.message.endswith("request a-1")
    assert "x-request-id" not in brought.headers  # the proxy that brought it adds it
    forged = asked(Guard(break_down, config()), headers={"x-request-id": "two words"})
    assert forged.message.endswith(f"request {forged.headers['x-request-id']}")


async def break_down(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["path"] == "/half":
        await send({"type": "http.response.start", "status": 200, "headers": []})
    raise RuntimeError("secret /srv/model")


def test_an_exception_is_in_the_log_and_not_in_the_answer(caplog: pytest.LogCaptureFixture) -> None:
    answer = asked(Guard(break_down, config()))
    assert (answer.status, answer.code) == (500, "internal")
    assert "secret" not in answer.message
    assert answer.headers["x-request-id"] in answer.message
    [record] = caplog.records
    assert record.levelno == logging.ERROR
    assert answer.headers["x-request-id"] in record.getMessage()
    assert record.exc_info is not None
    assert asked(Guard(break_down, config()), "/half").body == b""  # nothing can be added


def test_a_failed_request_gives_its_place_back() -> None:
    guard = Guard(break_down, config(max_waiting=1))
    assert [asked(guard, method="POST").status for _ in range(3)] == [500, 500, 500]
    assert guard.num_open == 0


def test_the_lifespan_of_the_application_passes_and_websockets_do_not() -> None:
    seen: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope["type"])

    async def send(message: Message) -> None:
        seen.append(message["type"])

    async def receive() -> Message:
        raise AssertionError

    guard = Guard(app, config())
    for kind in ("lifespan", "websocket"):
        asyncio.run(guard({"type": kind}, receive, send))
    assert seen == ["lifespan", "websocket.close"]
