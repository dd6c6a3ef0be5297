"""Files of a folder of images: which of some names are there, and what else is.

Asking for each name is slow on a bucket, and listing a bucket is slow too, so each is done only
where it is needed.
"""

import os
import re
from bisect import bisect
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from difflib import SequenceMatcher
from pathlib import Path

from upath import UPath

from ray_wssis.data.images.read import image_uri
from ray_wssis.storage import is_local

NUM_THREADS = 16  # that ask a bucket; a thread that waits takes no core
SAMPLE = 64  # names that a bucket is asked for, before it is listed
MANY = 100  # names in one folder, from which on listing it is quicker than asking for each
MAX_FILES = 5_000_000  # listed; a larger folder is not searched
MAX_FOLDERS = 100_000
ODD = re.compile(r"[\\%:]|^/|[^ -~]|(^|/)[^.]*$")  # what a name seldom has, on any machine
NEAR = 0.7  # similarity, from which on a file is worth mentioning
NEIGHBOURS = 300  # files that are compared with a name, among those that sort next to it


def missing_names(images: str, names: Sequence[str]) -> list[str]:
    """Return the names without a file under `images`; each may be an absolute path.

    A bucket is asked for some of the names, odd ones first; where it has them, it has all.  One
    that cannot be asked has them too: whoever reads an image says why not.
    """
    if not names:
        return []
    if not is_local(UPath(images)):
        odd = [name for name in names if ODD.search(name)]
        sample = [*odd[:SAMPLE], *names[:: max(1, len(names) // SAMPLE)]]
        try:
            with ThreadPoolExecutor(NUM_THREADS) as pool:
                if all(pool.map(lambda name: UPath(image_uri(images, name)).exists(), sample)):
                    return []
        except Exception:  # file systems of buckets raise errors of all kinds
            return []
        listed = set(list_files(images))
        return [name for name in names if name not in listed]
    folders: dict[str, list[str]] = defaultdict(list)
    for name in names:
        folders[_local(images, name).rpartition("/")[0]].append(name)
    absent: set[str] = set()
    for folder, inside in folders.items():
        absent.update(_absent(folder, images, inside))
    return [name for name in names if name in absent]


def list_files(images: str) -> list[str]:
    """List the paths of all files under `images`, sorted; none if it is no folder, or too large."""
    root = UPath(images)
    walk = _walk_local(root.path) if is_local(root) else _walk_bucket(root)
    files: list[str] = []
    for number, (folder, names) in enumerate(walk):
        files.extend(f"{folder}/{name}" if folder else name for name in names)
        if len(files) > MAX_FILES or number > MAX_FOLDERS:
            return []
    return sorted(files)


def nearest_files(names: Sequence[str], files: Sequence[str]) -> dict[str, str]:
    """Return for each name the file whose last part is most like its own, where one is alike."""
    nearest: dict[str, tuple[float, str]] = {}
    if not names:
        return {}
    for step in (1, -1):  # neighbours in this order share their first letters, then their last ones
        order = sorted((_tail(file)[::step], file) for file in files)
        for name in names:
            wanted = _tail(name)
            place = bisect(order, (wanted[::step],))
            for tail, file in order[max(0, place - NEIGHBOURS) : place + NEIGHBOURS]:
                alike = SequenceMatcher(None, wanted, tail[::step], autojunk=False).ratio()
                if alike > nearest.get(name, (NEAR, ""))[0]:
                    nearest[name] = alike, file
    return {name: file for name, (_, file) in nearest.items()}


def _tail(name: str) -> str:
    return name.replace("\\", "/").rpartition("/")[2].casefold()


def _local(images: str, name: str) -> str:
    uri = image_uri(images, name)
    return UPath(uri).path if "://" in uri else uri


def _absent(folder: str, images: str, names: Sequence[str]) -> list[str]:
    """Return the names without a file in `folder`, in which all of them are."""
    if len(names) < MANY:
        return [name for name in names if not _exists(_local(images, name))]
    try:
        there = {entry.name for entry in os.scandir(folder)}
    except (OSError, ValueError):  # no such folder, or a name that no folder can have
        return list(names)
    return [name for name in names if name.rpartition("/")[2] not in there]


def _exists(file: str) -> bool:
    try:
        return Path(file).exists()
    except OSError:  # a name that is too long, or a folder that may not be read
        return False


def _walk_local(root: str) -> Iterator[tuple[str, list[str]]]:
    """Yield each folder under `root`, links followed but once, and the names of its files."""
    seen: set[tuple[int, int]] = set()
    for folder, inside, names in os.walk(root, followlinks=True):
        place = Path(folder).stat()
        if (place.st_dev, place.st_ino) in seen:
            inside.clear()
            continue
        seen.add((place.st_dev, place.st_ino))
        relative = os.path.relpath(folder, root)
        yield "" if relative == "." else relative, names


def _walk_bucket(root: UPath) -> Iterator[tuple[str, list[str]]]:
    top = root.path.rstrip("/")
    root.fs.invalidate_cache()
    for folder, _, names in root.fs.walk(root.path):
        yield folder.rstrip("/").removeprefix(top).lstrip("/"), list(names)
