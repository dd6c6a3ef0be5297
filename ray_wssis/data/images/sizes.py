"""Sizes of images that a COCO file does not say, from the headers of the image files.

VGG's annotator writes -1 for sizes, others 0 or null, or leave them out.
"""

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from ray_wssis.data.images.read import ImageError, read_size

SIDES = ("width", "height")
Key = TypeVar("Key")


def lacks_size(entry: Any) -> bool:
    """Tell whether a side in the entry of an image is missing, null, 0 or negative."""
    return isinstance(entry, dict) and any(_is_unknown(entry.get(side)) for side in SIDES)


def written_size(entry: dict[str, Any]) -> str:
    """Write the size in the entry of an image, for messages."""
    return ", ".join(
        f"{side} {entry[side]!r:.20}" if side in entry else f"no {side}" for side in SIDES
    )


def read_sizes(files: Mapping[Key, str]) -> dict[Key, tuple[int, int] | ImageError]:
    """Read (height, width) of image files, many at a time; only the beginning of each is read."""

    def look(file: str) -> tuple[int, int] | ImageError:
        try:
            return read_size(file)
        except ImageError as error:
            return error

    with ThreadPoolExecutor(4 * (os.cpu_count() or 1)) as pool:
        return dict(zip(files, pool.map(look, files.values()), strict=True))


def _is_unknown(value: Any) -> bool:
    if isinstance(value, str):
        return value.strip() in ("", "0", "-1")
    return value is None or (isinstance(value, int | float) and value <= 0)
