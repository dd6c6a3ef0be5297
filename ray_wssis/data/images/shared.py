"""Images that are in more than one part of a data set, by their content.

A weak image that is strong too is learnt twice, and a validation image that is learnt from makes
every figure better than it is.  Files of one size are compared by the hash of their ends.  On a
bucket, where every look costs a request, and in a very large data set, images are the same if
their names are.
"""

import hashlib
import logging
import stat
from collections import defaultdict
from collections.abc import Mapping
from itertools import combinations
from pathlib import Path

from ray_wssis.data.records import Records

END = 1 << 14  # bytes at each end of a file
MOST_COMPARED = 200_000  # files

logger = logging.getLogger(__name__)


def warn_of_shared_images(parts: Mapping[str, Records]) -> None:
    """Name each two parts that share images, with a count and an example."""
    files = {part: records.table["file"].to_pylist() for part, records in parts.items()}
    keys = content_keys([file for names in files.values() for file in names])
    shown = {part: {keys[name]: name for name in names} for part, names in files.items()}
    for first, second in combinations(shown, 2):
        shared = sorted(shown[first].keys() & shown[second].keys())
        if not shared:
            continue
        ours, theirs = shown[first][shared[0]], shown[second][shared[0]]
        logger.warning(
            "%d of %d %s images are %s images too, for instance %s%s: %s",
            len(shared),
            len(shown[second]),
            second,
            first,
            theirs,
            "" if ours == theirs else f" and {ours}",
            "figures will be better than the networks are"
            if second == "validation"
            else "they are learnt twice",
        )


def content_keys(files: list[str]) -> dict[str, str]:
    """Return a text for each file that is the same where the content is the same.

    Only files that share their size with another one are opened; for the others, and for those that
    are not compared, the name is the text.
    """
    keys = {file: file for file in files}
    if len(keys) > MOST_COMPARED:
        return keys
    by_size: defaultdict[int, set[str]] = defaultdict(set)
    for file in keys:
        if (size := local_size(file)) is not None:
            by_size[size].add(file)
    for size, alike in by_size.items():
        if len(alike) > 1:
            keys |= {file: hash_of_ends(file, size) for file in alike}
    return keys


def local_size(file: str) -> int | None:
    """Return the size of a local file in bytes; None if it is elsewhere, missing or no file.

    Opening a pipe might never end.
    """
    try:
        status = Path(file).stat()
    except (OSError, ValueError):
        return None  # found and named when it is read
    return status.st_size if stat.S_ISREG(status.st_mode) else None


def hash_of_ends(file: str, size: int) -> str:
    """Return the size and a hash of both ends of a file; its name where it cannot be read."""
    try:
        with Path(file).open("rb") as stream:
            ends = stream.read(END)
            stream.seek(max(END, size - END))
            ends += stream.read(END)
    except OSError:
        return file
    return f"{size} {hashlib.blake2b(ends, digest_size=16).hexdigest()}"
