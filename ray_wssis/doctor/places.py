"""Checks of the folder for runs: access, clock and free space."""

import shutil
import time
import uuid
from collections.abc import Iterator

from upath import UPath

from ray_wssis.doctor.finding import Finding, fine, problem, warning
from ray_wssis.doctor.software import PACKAGE
from ray_wssis.storage import is_local, remove

GIB = 1 << 30
LEAST_FREE = 10 * GIB  # checkpoints, models and labels of a run on COCO
EXTRAS = {"s3": "s3", "s3a": "s3", "gs": "gcs", "gcs": "gcs"}  # of this package, by protocol
CLOCK_MAY_DIFFER = 60.0  # seconds; buckets refuse requests that are 15 minutes off


def check_folder(folder: UPath) -> Iterator[Finding]:
    """Write, read, rename and delete a file in `folder`, which is created if it does not exist."""
    try:
        written = write_read_rename(folder)
    except Exception as error:  # every file system raises its own errors
        yield problem(
            "--out",
            f"{folder} cannot be used: {type(error).__name__}: {error}",
            advice(folder, error),
        )
        return
    yield fine("--out", f"{folder}: a file was written, read, renamed and deleted")
    yield check_clock_of_storage(time.time(), written)
    if is_local(folder):
        yield check_space(shutil.disk_usage(folder.path).free)


def advice(folder: UPath, error: Exception) -> str:
    """Advice for a `folder` that cannot be used."""
    if isinstance(error, ImportError):
        extra = EXTRAS.get(folder.protocol)
        return f"Install it: pip install '{PACKAGE}[{extra}]'." if extra else "Install it."
    if is_local(folder):
        return "Make it writable for this user, or choose another --out."
    return (
        "Give this process, and those on every node, permission to read and write there, through "
        "credentials in the environment or a role of the machine. Or choose another --out."
    )


def write_read_rename(folder: UPath) -> float | None:
    """Modification time that the storage gave the file, in seconds since 1970; None if unknown."""
    data = uuid.uuid4().bytes
    first = folder / f".doctor-{uuid.uuid4().hex}"
    second = folder / f"{first.name}-renamed"
    if is_local(folder):
        folder.mkdir(parents=True, exist_ok=True)
    try:
        first.write_bytes(data)
        first.fs.invalidate_cache()
        written = first.stat().st_mtime
        first.fs.mv(first.path, second.path)
        if second.read_bytes() != data:
            raise OSError("the bytes read differ from those written")
    finally:
        for file in (first, second):
            if file.exists():
                remove(file)
    return written or None


def check_clock_of_storage(ours: float, theirs: float | None) -> Finding:
    if theirs is not None and abs(ours - theirs) > CLOCK_MAY_DIFFER:
        return warning(
            "clock of --out",
            f"differs by {abs(ours - theirs):.0f} s from this machine's",
            "Synchronize the clock with NTP: buckets refuse requests with a wrong time.",
        )
    return fine("clock of --out", "unknown" if theirs is None else "same as this machine's")


def check_space(free: int) -> Finding:
    found = f"{free / GIB:.1f} GiB free"
    if free < LEAST_FREE:
        return warning(
            "disk of --out",
            found,
            "Free some space, or choose another --out: a full disk stops runs.",
        )
    return fine("disk of --out", found)
