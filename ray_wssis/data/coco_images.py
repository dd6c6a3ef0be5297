"""Images of a COCO file, read without their objects."""

import logging
from collections.abc import Sequence
from typing import Any

from ray_wssis.data.coco_fields import read_annotated, read_tags, whole_number
from ray_wssis.data.coco_objects import OpenImage
from ray_wssis.data.image_names import locate_images
from ray_wssis.data.images import image_uri
from ray_wssis.data.records import Category

logger = logging.getLogger(__name__)


def read_images(
    entries: list[dict[str, Any]], images: str, categories: Sequence[Category]
) -> dict[int, OpenImage]:
    """Read the images, without their objects, by image id in the order of the file."""
    found: dict[int, OpenImage] = {}
    names = locate_images(images, filter(None, map(image_name, entries)))
    if names.found:
        logger.warning(names.summary())
    if names.lost:
        logger.warning(names.complaint())
    for entry in entries:
        key = whole_number(entry, "id", "an image")
        where = f"image {key}"
        if key in found:
            raise ValueError(f"{where}: the id occurs twice")
        if image_name(entry) is None:
            raise ValueError(f"{where}: no file_name")
        width, height = whole_number(entry, "width", where), whole_number(entry, "height", where)
        if width < 1 or height < 1:
            raise ValueError(f"{where}: width {width} and height {height}, both must be positive")
        try:
            tags = read_tags(entry.get("tags"), categories)
            annotated = read_annotated(entry.get("annotated"), height, width)
        except ValueError as error:
            raise ValueError(f"{where}: {error}") from error
        found[key] = OpenImage(
            image_id=key,
            file=image_uri(images, names.file(entry["file_name"])),
            width=width,
            height=height,
            tags=tags,
            annotated=annotated,
            objects=[],
        )
    return found


def image_name(entry: Any) -> str | None:
    """Return the name in the entry of an image; None without one."""
    name = entry.get("file_name") if isinstance(entry, dict) else None
    return name if isinstance(name, str) and name else None
