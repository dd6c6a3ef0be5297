"""The guard counts the bytes of a body and waits for them only so long."""

import asyncio
from typing import Any

import pytest
from fastapi import FastAPI, UploadFile
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from wssis_serve.config import ServeConfig
from wssis_serve.http.guard import Guard

from tests.support.asgi import Answer, asked, length_of_body


@pytest.fixture(autouse=True)
def no_token_around(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WSSIS_TOKEN", raising=False)


def config(**values: Any) -> ServeConfig:
    return ServeConfig(model="runs/a", **values)


def post(guard: ASGIApp, *parts: bytes, **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return asked(guard, "/v1/segment", "POST", named, parts)


def test_a_body_is_counted_however_it_comes() -> None:
    guard = Guard(length_of_body, config(max_megabytes=0.001))
    chunked = {"transfer_encoding": "chunked"}
    assert post(guard, 1000 * b"x", content_length="1000").body == b"1000"
    assert post(guard, 600 * b"x", 400 * b"x", **chunked).body == b"1000"
    for answer in (
        post(guard, content_length="1001"),  # before any of it is read
        post(guard, content_length="1" + 100 * "0"),
        post(guard, 600 * b"x", 401 * b"x", **chunked),
        post(guard, 600 * b"x", 600 * b"x", content_length="10"),
    ):
        assert (answer.status, answer.code) == (413, "too_large")
        assert "0.001 MB" in answer.message
        assert answer.headers["connection"] == "close"


@pytest.mark.parametrize("length", ["-1", "1e3", "", "0x10", "\xb2", "10, 10"])
def test_a_length_that_is_no_number_is_refused(length: str) -> None:
    async def nobody(scope: Scope, receive: Receive, send: Send) -> None:
        raise AssertionError

    headers = [(b"host", b"localhost"), (b"content-length", length.encode("latin-1"))]
    scope = {"type": "http", "method": "POST", "path": "/v1/segment", "headers": headers}
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        raise AssertionError

    asyncio.run(Guard(nobody, config())(scope, receive, send))
    assert sent[0]["status"] == 400


def test_a_body_that_does_not_come_is_not_waited_for() -> None:
    guard = Guard(length_of_body, config(timeout_s=0.05))
    answer = post(guard, b"xx", content_length="1000")
    assert (answer.status, answer.code) == (400, "bad_request")
    assert answer.message == "the request did not arrive within 0.05 s"
    assert answer.headers["connection"] == "close"


def test_a_slow_answer_is_waited_for() -> None:
    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.sleep(0.1)
        await length_of_body(scope, receive, send)

    assert post(Guard(slow, config(timeout_s=0.05)), b"xx", content_length="2").body == b"2"


def test_the_guard_answers_for_a_body_that_broke_off() -> None:
    app = FastAPI()

    @app.post("/v1/segment")
    async def length(image: UploadFile) -> int:
        return len(await image.read())

    form = b'--x\r\ncontent-disposition: form-data; name="image"; filename="a"\r\n\r\n'
    guard = Guard(app, config(max_megabytes=0.001))
    kind = {"content_type": "multipart/form-data; boundary=x", "transfer_encoding": "chunked"}
    assert post(guard, form, 10 * b"x", b"\r\n--x--\r\n", **kind).body == b"10"
    answer = post(guard, form, 2000 * b"x", b"\r\n--x--\r\n", **kind)
    assert (answer.status, answer.code) == (413, "too_large")


def test_a_body_of_json_is_small() -> None:
    guard = Guard(length_of_body, config())
    image = post(guard, b"x", content_length="1", content_type="image/jpeg")
    assert image.status == 200
    answer = post(guard, content_length="4000001", content_type="application/json")
    assert (answer.status, answer.code) == (413, "too_large")
    assert "more than 4 MB" in answer.message


def test_an_upload_that_trickles_gives_its_place_to_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wssis_serve.http.guard.SLOW_FOR", 0.05)
    guard = Guard(length_of_body, config(timeout_s=600))
    answer = post(guard, b"x", content_length="100")
    assert (answer.status, answer.code) == (400, "bad_request")
    assert "did not arrive within 0.05 s" in answer.message
    assert guard.num_open == 0
