"""One command at a time in a folder.

Two commands that make the same stages would write over each other's checkpoints.  The lock is the
operating system's, so it ends with its process, however that ends.  A bucket has none.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout
from upath import UPath

from ray_wssis.storage import is_local

LOCK = ".lock"


@contextmanager
def alone_in(folder: UPath) -> Iterator[None]:
    """Keep other commands out of `folder` while `with` lasts; it is made if it does not exist.

    Raises ValueError if another command is at work in it.
    """
    if not is_local(folder):
        yield
        return
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(Path(folder.path) / LOCK, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise ValueError(
            f"another command is at work in {folder}. Wait until it ends, stop it, or use another "
            "--out"
        ) from None
    except NotImplementedError:  # a file system without locks
        yield
        return
    try:
        yield
    finally:
        lock.release()
