"""Storage that is away for a while: told from what is wrong for good, and waited for.

A bucket that is throttled or restarted, a network that is gone, credentials that are being renewed:
none of that says anything about a file, and all of it passes.
"""

import errno
import logging
import os
import socket
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

PATIENCE = "WSSIS_STORAGE_PATIENCE"  # seconds; an environment variable, of workers too
DEFAULT_PATIENCE = 900.0
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 15.0  # seconds between tries
SAY_EVERY = 60.0  # seconds

PASSING_ERRNOS = {
    errno.EAGAIN,
    errno.EBUSY,  # s3fs: 503, slow down
    errno.EREMOTEIO,  # s3fs: 500
    errno.ESTALE,
    errno.ETIMEDOUT,
    errno.EHOSTDOWN,
    errno.EHOSTUNREACH,
    errno.ENETDOWN,
    errno.ENETUNREACH,
}
PASSING_STATUS = {408, 425, 429, 500, 502, 503, 504}  # of HTTP
PASSING_CODES = {
    "ExpiredToken",
    "RequestTimeTooSkewed",
    "SlowDown",
    "TokenRefreshRequired",
}  # of S3
# Classes of libraries that need not be installed.  Their errors are no OSErrors.
PASSING_CLASSES = {
    "ChecksumError",  # gcsfs: what arrived is not what was sent
    "ChunkedEncodingError",  # requests: cut short
    "ClientConnectionError",  # aiohttp
    "ClientPayloadError",
    "ServerDisconnectedError",
    "ConnectionError",  # botocore, requests, and Python's own
    "CredentialRetrievalError",  # botocore
    "HTTPClientError",
    "IncompleteRead",
    "IncompleteReadError",  # azure
    "ProtocolError",  # urllib3
    "RetryError",  # google, which tried again itself
    "ServiceRequestError",  # azure
    "ServiceResponseError",
    "Timeout",  # requests
    "TransportError",  # google
}

Result = TypeVar("Result")

logger = logging.getLogger(__name__)
said_at = -SAY_EVERY


class StorageAway(OSError):
    """Storage that did not answer for as long as one was to wait."""


def is_passing(error: BaseException) -> bool:
    """Tell whether an error of a file system comes from storage that may soon answer again."""
    return not isinstance(error, StorageAway) and any(map(_passes, _causes(error)))


def patience() -> float:
    """Return how long storage is waited for, in seconds."""
    return float(os.environ.get(PATIENCE, DEFAULT_PATIENCE))


def patiently(action: Callable[[], Result]) -> Result:
    """Call `action` until the storage answers, and return its result.

    Errors that do not pass are raised as they are.  Raises StorageAway after `patience()` seconds.
    """
    start, pause = time.monotonic(), FIRST_PAUSE
    while True:
        try:
            return action()
        except Exception as error:
            if not is_passing(error):
                raise
            waited = time.monotonic() - start
            if waited + pause > patience():
                raise StorageAway(
                    f"the storage did not answer for {waited:.0f} s: {error}"
                ) from error
            say(error)
        time.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE)


def say(error: BaseException) -> None:
    """Log what is waited for, once a minute."""
    global said_at
    if time.monotonic() - said_at >= SAY_EVERY:
        said_at = time.monotonic()
        logger.warning(
            "the storage does not answer (%s); it is tried again for up to %.0f s, and finished "
            "work is kept",
            " ".join(str(error).split()) or type(error).__name__,
            patience(),
        )


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__


def _passes(error: BaseException) -> bool:
    if isinstance(error, OSError) and error.errno in PASSING_ERRNOS:
        return True
    if isinstance(error, (TimeoutError, socket.gaierror)):
        return True
    if PASSING_CLASSES & {parent.__name__ for parent in type(error).__mro__}:
        return True
    response = getattr(error, "response", None)  # botocore's is a dictionary
    if isinstance(response, dict):
        status = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
        return status in PASSING_STATUS or response.get("Error", {}).get("Code") in PASSING_CODES
    if getattr(error, "retryable", None) is True:  # google's credentials
        return True
    told = {str(getattr(error, name, None)) for name in ("status", "status_code", "code")}
    renewed = "401" in told and "Invalid Credentials" in str(error)  # gcsfs, of an old token
    return renewed or bool(told & {str(status) for status in PASSING_STATUS})
