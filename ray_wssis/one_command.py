"""One command at a time in a folder.

Two commands that make the same stages would write over each other's checkpoints.  On a file system
the lock is the operating system's, so it ends with its process, however that ends.  In a bucket it
is an object that its command writes again and again; one that no longer changes is nobody's.
"""

import getpass
import json
import logging
import os
import signal
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from upath import UPath

from ray_wssis.outage import patiently
from ray_wssis.storage import is_local, read_json, write_json

LOCK = ".lock"
BEAT = 10.0  # seconds between two writings of a lock in a bucket
MISSED = 3  # beats after which its command is gone

logger = logging.getLogger(__name__)


@contextmanager
def alone_in(folder: UPath) -> Iterator[None]:
    """Keep other commands out of `folder` while `with` lasts; it is made if it does not exist.

    Raises ValueError if another command is at work in it.  In a bucket, the lock of a command that
    was killed is taken over after half a minute.
    """
    with locked(folder) if is_local(folder) else BucketLock(folder):
        yield


@contextmanager
def locked(folder: UPath) -> Iterator[None]:
    """Hold the operating system's lock."""
    folder.mkdir(parents=True, exist_ok=True)
    file = Path(folder.path) / LOCK
    lock = FileLock(file, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise ValueError(refusal(folder, other_in(file))) from None
    except NotImplementedError:  # a file system without locks
        yield
        return
    try:
        file.write_text(json.dumps(owner()))  # into the file that is locked, not in its place
        yield
    finally:
        lock.release()


def owner() -> dict[str, Any]:
    """Return who we are."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container may have no names for its users
        user = f"user {os.getuid()}"
    since = datetime.now(UTC).isoformat(timespec="seconds")
    return {"user": user, "host": socket.gethostname(), "pid": os.getpid(), "since": since}


def described(found: dict[str, Any]) -> str:
    whole = {"user": "somebody", "since": "some time"} | found  # earlier versions did not say
    return "process {pid} of {user} on {host}, since {since},".format_map(whole)


def other_in(file: Path) -> str:
    """Say who holds a lock, as far as that is known."""
    try:
        return described(json.loads(file.read_text()))
    except (OSError, ValueError, KeyError):  # taken a moment ago, or by an earlier version
        return "another command"


def refusal(folder: UPath, other: str) -> str:
    return f"{other} is at work in {folder}. Wait until it ends, stop it, or use another --out"


class BucketLock:
    """An object in a bucket that says who is at work, rewritten by a thread."""

    def __init__(self, folder: UPath) -> None:
        self.folder = folder
        self.file = folder / LOCK
        self.owner = owner() | {"token": uuid.uuid4().hex}
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.beat, daemon=True)

    def __enter__(self) -> None:
        if not self.create():
            if (found := self.read()) is not None:
                self.wait_for(found)
            if not self.create():  # somebody was faster
                raise ValueError(refusal(self.folder, "another command"))
        self.thread.start()

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        self.thread.join()
        if self.is_ours(self.read()):
            self.file.unlink()

    def create(self) -> bool:
        """Write the lock unless there is one.  Of two commands, one succeeds."""
        content = json.dumps(self.owner | {"beat": 0}).encode()
        try:
            patiently(lambda: self.folder.fs.pipe_file(self.file.path, content, mode="create"))
        except FileExistsError:
            return self.is_ours(self.read())  # a try that failed late may have written it
        return True

    def wait_for(self, found: dict[str, Any]) -> None:
        """Remove a lock that nobody writes any more; raise ValueError if somebody does."""
        other = described(found)
        logger.info("%s may be at work in %s; looking ...", other, self.folder)
        if self.changes(found):
            raise ValueError(refusal(self.folder, other))
        logger.warning("%s is gone: its lock on %s is taken over", other, self.folder)
        if self.read() == found:
            self.file.unlink()

    def changes(self, found: dict[str, Any]) -> bool:
        """Tell whether somebody goes on writing the lock."""
        until = time.monotonic() + MISSED * BEAT
        while time.monotonic() < until:
            time.sleep(BEAT / 2)
            now = self.read()
            if now is None:
                return False
            if now != found:
                return True
        return False

    def beat(self) -> None:
        """Write the lock until the command ends; end the command if another one took the lock."""
        number = 0
        while not self.ended.wait(BEAT):
            if not self.is_ours(self.read()):
                logger.error("another command took the lock on %s: this one stops", self.folder)
                ignored = signal.getsignal(signal.SIGINT) is signal.SIG_IGN  # after nohup, or `&`
                os.kill(os.getpid(), signal.SIGTERM if ignored else signal.SIGINT)
                return
            number += 1
            write_json(self.file, self.owner | {"beat": number})

    def is_ours(self, found: dict[str, Any] | None) -> bool:
        return found is not None and found["token"] == self.owner["token"]

    def read(self) -> dict[str, Any] | None:
        try:
            return read_json(self.file)
        except FileNotFoundError:
            return None
