"""The folder for runs: can files be written, read, renamed and deleted there, and is there room?"""

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
    """Nothing is left in it, and a folder that did not exist before is made."""
    try:
        written = write_read_rename(folder)
    except Exception as error:  # every file system has errors of its own
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
    """What to do where `folder` cannot be used."""
    if isinstance(error, ImportError):
        extra = EXTRAS.get(folder.protocol)
        return f"Install it: pip install '{PACKAGE}[{extra}]'." if extra else "Install it."
    if is_local(folder):
        return "Make it writable for this user, or use another --out."
    return (
        "Give this process, and those on every node, the right to read and write there: "
        "credentials in the environment, or a role of the machine. Or use another --out."
    )


def write_read_rename(folder: UPath) -> float | None:
    """The time that the storage gave to the file, seconds since 1970, where it says one."""
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
            raise OSError("what was read is not what was written")
    finally:
        for file in (first, second):
            if file.exists():
                remove(file)
    return written or None


def check_clock_of_storage(here: float, there: float | None) -> Finding:
    if there is not None and abs(here - there) > CLOCK_MAY_DIFFER:
        return warning(
            "clock of --out",
            f"{abs(here - there):.0f} s off this machine's",
            "Set the clocks by NTP: a bucket refuses requests of a wrong time.",
        )
    return fine("clock of --out", "unknown" if there is None else "as here")


def check_space(free: int) -> Finding:
    found = f"{free / GIB:.1f} GiB free"
    if free < LEAST_FREE:
        return warning(
            "disk of --out", found, "Make room, or use another --out: a full disk stops a run."
        )
    return fine("disk of --out", found)
