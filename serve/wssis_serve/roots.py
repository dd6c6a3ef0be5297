"""Places that a caller may name: those under a folder that the operator allowed, and no others."""

import os
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote

from upath import UPath

from ray_wssis.storage import is_local, locate
from wssis_serve.errors import ApiError

NEVER = ("http", "https")  # no URL of a caller is ever fetched, whatever is allowed


def resolve(name: str, roots: Sequence[str]) -> UPath:
    """The place of `name`: a path, a URI, or a path relative to one of the roots on this machine.

    A relative path belongs to the first root that has it, or to the first.  The result is the real
    path, so the file that was checked is the file that will be opened.  Raises ApiError 404 for
    everything outside the roots, whether or not it exists.
    """
    try:
        found = _resolve(name, roots)
    except (ValueError, OSError):  # no file can have such a name
        found = None
    if found is None:
        raise ApiError(
            404,
            "not_found",
            f"{_shown(name)} is not under a folder that this server may read",
        )
    return found


def _resolve(name: str, roots: Sequence[str]) -> UPath | None:
    if not name or "\0" in name or "::" in name:  # `::` chains one file system to another
        return None
    scheme, separator, rest = name.partition("://")
    if not separator:
        return _local(name, roots)
    if scheme in ("file", "local"):
        return _local(rest, roots) if rest.startswith("/") else None
    return UPath(name) if any(_holds(root, scheme, rest) for root in roots) else None


def _local(name: str, roots: Sequence[str]) -> UPath | None:
    """The real path of `name`, absolute or relative to a root; `~` is a name like any other."""
    folders = [_real(locate(root).path) for root in roots if is_local(locate(root))]
    inside = [
        path
        for path in dict.fromkeys(_real(folder / name) for folder in folders)
        if any(path.is_relative_to(folder) for folder in folders)
    ]
    existing = (path for path in inside if path.exists())
    found = next(existing, inside[0] if inside else None)
    return None if found is None else UPath(found)


def _real(path: str | Path) -> Path:
    """`path` with links and `..` resolved as the system would follow them."""
    return Path(os.path.realpath(path))


def _holds(root: str, scheme: str, rest: str) -> bool:
    """Tell whether `rest`, of a URI with this scheme, is at or below a root such as a bucket."""
    root_scheme, _, root_rest = root.partition("://")
    if scheme in NEVER or scheme != root_scheme or "::" in root:
        return False
    parts, root_parts = rest.split("/"), root_rest.rstrip("/").split("/")
    if "\\" in rest or any(_leads_up(part) for part in parts):
        return False
    return root_parts != [""] and parts[: len(root_parts)] == root_parts


def _leads_up(part: str) -> bool:
    """Tell whether `part` is `..`, or becomes `..` on a server that decodes it."""
    while (decoded := unquote(part)) != part:
        part = decoded
    return part == ".." or "/" in part or "\\" in part


def _shown(name: str) -> str:
    return repr(name if len(name) <= 200 else name[:200] + "...")
