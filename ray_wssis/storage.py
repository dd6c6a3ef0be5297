"""Files and folders at any URI: locating, listing, hashing, and writing whole or not at all."""

import hashlib
import json
import os
from pathlib import Path, PurePath
from typing import Any

from fsspec import register_implementation
from upath import UPath

from ray_wssis.outage import patiently

for scheme in ("s3", "s3a"):  # imported when one is opened
    register_implementation(scheme, "ray_wssis.patient_s3.PatientS3", clobber=True)

BLOCK = 1 << 20  # bytes read at a time

Place = str | os.PathLike[str] | UPath  # a path or a URI


def locate(place: Place) -> UPath:
    """Return `place` as a path or URI that every process understands: local ones are absolute."""
    path = UPath(place)
    if path.protocol in ("", "file", "local"):
        return UPath(Path(path.path).expanduser().absolute())
    return path


def is_local(path: UPath) -> bool:
    """Tell whether `path` is on a file system of this machine, mounted ones included."""
    return path.protocol in ("", "file", "local")


def hash_file(file: Place) -> str:
    """Return the SHA-256 of a file, read block by block."""
    digest = hashlib.sha256()
    with UPath(file).open("rb") as stream:
        while block := stream.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()


def write_atomically(file: UPath, data: bytes) -> None:
    """Write all of `data` or nothing, even if the disk is full or the process is killed."""
    if not is_local(file):
        patiently(lambda: file.write_bytes(data))  # an object appears whole when it is closed
        return
    target = Path(file.path)
    draft = target.with_name(f".{target.name}.draft")
    try:
        with draft.open("wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        draft.replace(target)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def write_json(file: UPath, values: dict[str, Any]) -> None:
    """Write values as indented JSON, whole or not at all."""
    write_atomically(file, (json.dumps(values, indent=2) + "\n").encode())


def read_json(file: UPath) -> dict[str, Any]:
    """Read a JSON object."""
    values: dict[str, Any] = json.loads(patiently(file.read_bytes))
    return values


def names_in(folder: UPath) -> list[str]:
    """List the files and folders directly in `folder` by name; none when it does not exist."""
    folder.fs.invalidate_cache()
    if not folder.exists():
        return []
    return sorted(PurePath(path).name for path in folder.fs.ls(folder.path, detail=False))


def files_under(folder: UPath) -> list[str]:
    """List the relative paths of all files in `folder` and its subfolders."""
    folder.fs.invalidate_cache()
    root = folder.path.rstrip("/") + "/"
    return sorted(path.removeprefix(root) for path in folder.fs.find(folder.path))


def remove(path: UPath) -> None:
    """Remove a file, a folder with its contents, or a link but not its target."""
    if is_local(path) and Path(path.path).is_symlink():
        Path(path.path).unlink()
    else:
        path.fs.rm(path.path, recursive=True)
