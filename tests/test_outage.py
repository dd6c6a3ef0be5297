"""Tests of ray_wssis.outage."""

import errno
import pickle
import socket
from typing import Any

import aiohttp
import fsspec.exceptions
import pytest
from botocore.exceptions import (
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
)
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from ray_wssis import outage
from ray_wssis.outage import StorageAway, is_passing, patiently


def of_s3(code: str, status: int) -> ClientError:
    return ClientError(
        {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}, "GetObject"
    )


def of_http(status: int) -> aiohttp.ClientResponseError:
    asked = aiohttp.RequestInfo(URL("http://data"), "GET", CIMultiDictProxy(CIMultiDict()))
    return aiohttp.ClientResponseError(asked, (), status=status)


class OfAzure(Exception):
    """`azure.core.exceptions.HttpResponseError`, whose package is not installed here."""

    def __init__(self, status: int) -> None:
        self.status_code = status


PASSES = [
    ConnectionRefusedError("nothing listens"),
    ConnectionResetError("cut"),
    TimeoutError("hangs"),
    BlockingIOError(errno.EAGAIN, "again"),
    OSError(errno.EBUSY, "Please reduce your request rate"),
    OSError(errno.ESTALE, "the file server was restarted"),
    socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution"),
    EndpointConnectionError(endpoint_url="http://s3"),
    ConnectTimeoutError(endpoint_url="http://s3"),
    aiohttp.ServerDisconnectedError(),
    of_s3("SlowDown", 503),
    of_s3("503", 503),
    of_s3("429", 429),
    of_s3("ExpiredToken", 400),
    of_http(502),
    aiohttp.ClientPayloadError(),
    fsspec.exceptions.FSTimeoutError(),
    OfAzure(503),
]
STAYS = [
    FileNotFoundError("no such key"),
    PermissionError("403"),
    IsADirectoryError("a folder"),
    OSError(errno.ENOSPC, "No space left on device"),
    OSError(errno.EIO, "a bad disk"),
    ValueError("no image"),
    NoCredentialsError(),
    of_s3("NoSuchKey", 404),
    of_s3("AccessDenied", 403),
    of_http(404),
    of_http(401),
    OfAzure(404),
    OfAzure(403),
]


@pytest.mark.parametrize("error", PASSES, ids=repr)
def test_what_passes(error: Exception) -> None:
    assert is_passing(error)
    wrapped = PermissionError("credentials")
    wrapped.__cause__ = error
    assert is_passing(wrapped)


@pytest.mark.parametrize("error", STAYS, ids=repr)
def test_what_stays(error: Exception) -> None:
    assert not is_passing(error)


def test_errors_of_google() -> None:
    gcs: Any = pytest.importorskip("gcsfs.retry", reason="the extra gcs is not installed")
    auth: Any = pytest.importorskip("google.auth.exceptions")
    core: Any = pytest.importorskip("google.api_core.exceptions")
    requests: Any = pytest.importorskip("requests.exceptions")

    def answer(code: int | str, message: str = "") -> Exception:
        error: Exception = gcs.HttpError({"code": code, "message": message})
        return error

    for error in (
        answer(503),
        answer("429"),
        answer(401, "Invalid Credentials"),  # a token that has expired
        gcs.ChecksumError(),
        requests.ProxyError(),  # gcsfs: 502
        requests.ChunkedEncodingError(),
        auth.TransportError("no route"),
        auth.RefreshError("later", retryable=True),
        core.ServiceUnavailable("503"),
        core.RetryError("timed out", None),
    ):
        assert is_passing(error), error
    for error in (
        answer(400),
        answer(401, "Anonymous caller"),
        auth.DefaultCredentialsError("none"),
        auth.RefreshError("revoked", retryable=False),
        core.Forbidden("403"),
    ):
        assert not is_passing(error), error


def test_it_is_tried_until_it_works_or_fails_for_good(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outage, "FIRST_PAUSE", 0.01)
    errors = [ConnectionError("one"), TimeoutError("two")]

    def action() -> str:
        if errors:
            raise errors.pop()
        return "done"

    assert patiently(action) == "done"
    errors[:] = [FileNotFoundError("gone"), ConnectionError("one")]
    with pytest.raises(FileNotFoundError):
        patiently(action)


def test_after_the_patience_there_is_another_error_that_does_not_pass(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(outage.PATIENCE, "0.2")
    monkeypatch.setattr(outage, "FIRST_PAUSE", 0.05)

    def action() -> None:
        raise ConnectionError("nothing listens")

    with pytest.raises(StorageAway, match=r"did not answer for \d+ s: nothing listens") as raised:
        patiently(action)
    assert not is_passing(raised.value)
    assert str(pickle.loads(pickle.dumps(raised.value))) == str(raised.value)
