"""Tests of ray_wssis.outage."""

import errno
import pickle
import socket

import aiohttp
import pytest
from botocore.exceptions import (
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
)

from ray_wssis import outage
from ray_wssis.outage import StorageAway, is_passing, patiently


def of_s3(code: str, status: int) -> ClientError:
    return ClientError(
        {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}, "GetObject"
    )


class Answer(Exception):
    """An error of a library that says its status."""

    def __init__(self, status: int) -> None:
        self.status = status


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
    Answer(502),
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
    Answer(404),
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
