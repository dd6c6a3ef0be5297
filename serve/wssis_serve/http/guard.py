"""The guard: who may ask, how often and how much, decided before a route sees a request."""

import asyncio
import base64
import binascii
import hmac
import json
import logging
import os
import re
import time
import uuid
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from wssis_serve.config import TOKEN_VARIABLE, ServeConfig
from wssis_serve.errors import ApiError
from wssis_serve.request_id import is_request_id

OPEN = ("/", "/healthz", "/readyz", "/health")  # and everything below /page/
WITH_IMAGE = ("/x-anylabeling/v1/predict",)  # in JSON
THIS_MACHINE = ("localhost", "127.0.0.1", "[::1]")
MEGABYTE = 1_000_000
MAX_JSON = 4.0  # megabytes
SLOW_FOR = 10.0  # seconds in which a body may be as slow as it likes
SLOWEST = 100_000  # bytes per second after that
MAX_CLIENTS = 10_000  # whose request rates are remembered
SMOOTHING = 0.1  # weight of the last request in the mean duration
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'self'; img-src 'self' blob: data:; "
    "frame-ancestors 'none'; base-uri 'none'",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",  # no image of ours on a page of another site
}

log = logging.getLogger(__name__)


def read_token(config: ServeConfig) -> bytes | None:
    """The token that callers must send: from the configuration, a file, or the environment.

    None when no token is set.  Raises ValueError for an empty one, which would let everybody in.
    """
    if config.token is not None:
        place, text = "token", config.token
    elif config.token_file is not None:
        place, text = f"token_file {config.token_file}", Path(config.token_file).read_text()
    elif TOKEN_VARIABLE in os.environ:
        place, text = f"environment variable {TOKEN_VARIABLE}", os.environ[TOKEN_VARIABLE]
    else:
        return None
    if not text.strip():
        raise ValueError(f"{place}: the token is empty; write one into it or remove it")
    return text.strip().encode()


class Guard:
    """ASGI middleware that refuses what may not or cannot be answered; every refusal is JSON.

    Without a token the server is for its own machine.  A page of another site, open in a browser
    there, must not be able to use it, so `Host` and `Origin` are checked instead.
    """

    def __init__(
        self,
        app: ASGIApp,
        config: ServeConfig,
        clock: Callable[[], float] = time.monotonic,
        behind_proxy: bool = True,
    ) -> None:
        """`behind_proxy`: a request id that comes with a request is added to its answer there."""
        self.app = app
        self.behind_proxy = behind_proxy
        self.config = config
        self.clock = clock
        self.token = read_token(config)
        self.rate = RateLimit(config.requests_per_minute, clock)
        self.num_open = 0
        self.mean_seconds = 1.0  # that a request takes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
        elif scope["type"] == "http":
            echoes = not self.behind_proxy
            await self._answer(Exchange(scope, receive, send, self.config, echoes))
        else:
            await send({"type": "websocket.close", "code": 1008})  # nothing here uses them

    async def _answer(self, exchange: "Exchange") -> None:
        try:
            if not exchange.is_open():
                self._check_caller(exchange)
                self.rate.check(exchange.client)
            with self._place(exchange):
                exchange.check_length()
                await self.app(exchange.scope, exchange.receive, exchange.send)
        except ApiError as error:
            exchange.refusal = error
        except ClientDisconnect:
            return
        except Exception:
            if exchange.refusal is None:  # otherwise it is a consequence of the refusal
                log.exception("request %s: %s %s", exchange.id, exchange.method, exchange.path)
                message = f"an internal error; see the log of the server, request {exchange.id}"
                exchange.refusal = ApiError(500, "internal", message)
        await exchange.refuse()

    def _check_caller(self, exchange: "Exchange") -> None:
        headers = exchange.headers
        if self.token is None:
            _check_host(headers.get("host", ""), headers.get("origin"), self.config.hosts)
        elif not hmac.compare_digest(_shown_token(headers), self.token):
            raise _unauthorized("authentication required: send `Authorization: Bearer <token>`")

    @contextmanager
    def _place(self, exchange: "Exchange") -> Iterator[None]:
        """Take a place among the requests in progress; lookups (anything but POST) need none."""
        if exchange.method != "POST":
            yield
            return
        if self.num_open >= self.config.max_waiting:
            raise ApiError(
                503,
                "overloaded",
                f"{self.num_open} requests are in progress; ask again later",
                self.mean_seconds,
            )
        self.num_open += 1
        start = self.clock()
        try:
            yield
        finally:
            self.num_open -= 1
            self.mean_seconds += SMOOTHING * (self.clock() - start - self.mean_seconds)


class RateLimit:
    """A bucket for each client, which holds the requests of a minute and refills steadily."""

    def __init__(self, requests_per_minute: int | None, clock: Callable[[], float]) -> None:
        self.requests_per_minute = requests_per_minute
        self.clock = clock
        self.buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()  # requests left, when

    def check(self, client: str) -> None:
        """Count a request.  Raises ApiError 429 when there have been too many."""
        if self.requests_per_minute is None:
            return
        capacity, now = self.requests_per_minute, self.clock()
        left, then = self.buckets.pop(client, (float(capacity), now))
        left = min(capacity, left + (now - then) * capacity / 60)
        self.buckets[client] = (left - 1 if left >= 1 else left, now)
        if len(self.buckets) > MAX_CLIENTS:
            self.buckets.popitem(last=False)  # the client that has been silent for longest
        if left < 1:
            raise ApiError(
                429,
                "rate_limited",
                f"more than {capacity} requests a minute",
                (1 - left) * 60 / capacity,
            )


class Exchange:
    """One request and its answer on their way through the guard."""

    def __init__(
        self, scope: Scope, receive: Receive, send: Send, config: ServeConfig, echoes: bool
    ) -> None:
        self.scope = scope
        self.config = config
        self.method: str = scope["method"]
        self.path: str = scope["path"].removeprefix(scope.get("root_path", ""))
        self.headers = Headers(scope=scope)
        brought = self.headers.get("x-request-id", "")  # by the caller or a proxy
        is_id = is_request_id(brought)
        self.id = brought if is_id else uuid.uuid4().hex[:16]
        self.adds_id = echoes or not is_id
        scope.setdefault("state", {})["request_id"] = self.id
        self.client: str = scope["client"][0] if scope.get("client") else ""
        self.refusal: ApiError | None = None
        megabytes = config.max_megabytes
        if self.path in WITH_IMAGE:
            megabytes *= 4 / 3  # base64
        elif "json" in self.headers.get("content-type", ""):
            megabytes = min(megabytes, MAX_JSON)  # it is parsed in the way of everybody else
        self.megabytes, self.max_bytes = megabytes, int(megabytes * MEGABYTE)
        self._receive = receive
        self._send = send
        self._began = asyncio.get_running_loop().time()
        self._num_bytes = 0  # received
        self._whole = not ("content-length" in self.headers or "transfer-encoding" in self.headers)
        self._started = False  # the answer

    def is_open(self) -> bool:
        """Tell whether this is open to everybody."""
        return self.method in ("GET", "HEAD") and (
            self.path in OPEN or self.path.startswith("/page/")
        )

    def check_length(self) -> None:
        """Raise ApiError when the declared length of the body is too large, or is no number."""
        length = self.headers.get("content-length", "0")
        if not (length.isascii() and length.isdigit()):
            raise ApiError(400, "bad_request", f"Content-Length {length[:40]!r} is not a number")
        if len(length) > 18 or int(length) > self.max_bytes:
            raise self._too_large()

    async def receive(self) -> Message:
        """The next part of the body.

        The framework of the routes may catch an exception raised here and answer something else,
        so the refusal is remembered.
        """
        if self._whole:
            return await self._receive()
        try:
            async with asyncio.timeout_at(self._began + self._seconds()):
                message = await self._receive()
        except TimeoutError:
            text = f"the request did not arrive within {self._seconds():.3g} s"
            self.refusal = ApiError(400, "bad_request", text)
            raise self.refusal from None
        self._num_bytes += len(message.get("body", b""))
        if self._num_bytes > self.max_bytes:
            self.refusal = self._too_large()
            raise self.refusal
        self._whole = not message.get("more_body", False)
        return message

    def _seconds(self) -> float:
        """The time that is left to a body: a slow one keeps others from a place."""
        return min(self.config.timeout_s, SLOW_FOR + self._num_bytes / SLOWEST)

    async def send(self, message: Message) -> None:
        """Send a part of the answer of the routes, unless the guard is going to answer."""
        if self.refusal is not None and not self._started:
            return
        if message["type"] == "http.response.start":
            self._started = True
            self._add_headers(MutableHeaders(raw=message.setdefault("headers", [])))
        await self._send(message)

    async def refuse(self) -> None:
        """Answer with the refusal, if there is one and no answer has started."""
        error = self.refusal
        if error is None or self._started:
            return
        body = json.dumps(error.body()).encode()
        headers = MutableHeaders({"Content-Type": "application/json", **error.headers()})
        headers["Content-Length"] = str(len(body))
        if error.status == 401:
            headers["WWW-Authenticate"] = "Bearer"
        if not self._whole:
            headers["Connection"] = "close"  # nobody reads the rest of the body
        self._add_headers(headers)
        self._started = True
        start = {"type": "http.response.start", "status": error.status, "headers": headers.raw}
        await self._send(start)
        await self._send({"type": "http.response.body", "body": body})

    def _add_headers(self, headers: MutableHeaders) -> None:
        headers.update(HEADERS)
        if self.adds_id:  # otherwise whoever brought it adds it to the answer, too
            headers["X-Request-Id"] = self.id
        if self.path.startswith("/v1/"):
            headers["Cache-Control"] = "no-store"

    def _too_large(self) -> ApiError:
        limit = f"{self.megabytes:g} MB"
        return ApiError(413, "too_large", f"the request has more than {limit}, the limit here")


def _check_host(host: str, origin: str | None, hosts: tuple[str, ...]) -> None:
    """Raise ApiError 401 for a request that a page of another site makes through a browser."""
    name = re.sub(r":\d+$", "", host)
    if name.lower() not in (*THIS_MACHINE, *(known.lower() for known in hosts)):
        raise _unauthorized(
            "without a token this server answers to localhost only; set a token, or add this "
            "host to `hosts`"
        )
    if origin is not None and origin.lower().partition("://")[2] != host.lower():
        raise _unauthorized(
            "a page of another site may not ask without a token; set a token for this server"
        )


def _shown_token(headers: Headers) -> bytes:
    """The token in the headers; empty, which no token is, if there is none."""
    if "token" in headers:  # of X-AnyLabeling
        return headers["token"].strip().encode("latin-1")
    scheme, _, credentials = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return credentials.strip().encode("latin-1")
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(credentials.strip(), validate=True).partition(b":")[2]
        except (binascii.Error, ValueError):
            return b""
    return b""


def _unauthorized(message: str) -> ApiError:
    return ApiError(401, "unauthorized", message)
