"""Images of a COCO file, read without their objects."""

import logging
from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import unquote, urlsplit

from ray_wssis.data.coco.collected import Collected
from ray_wssis.data.coco.fields import read_annotated, read_tags, whole_number
from ray_wssis.data.images.names import Names, locate_images
from ray_wssis.data.images.read import ImageError, image_uri
from ray_wssis.data.images.sizes import lacks_size, read_sizes, written_size
from ray_wssis.data.records import Category

logger = logging.getLogger(__name__)


def read_images(
    entries: Iterable[dict[str, Any]], images: str, categories: Sequence[Category]
) -> Collected:
    """Read the images, without their objects, in the order of the file."""
    found = Collected()
    names = locate_images(images, filter(None, map(image_name, entries)))
    if names.found:
        logger.warning(names.summary())
    if names.lost:
        logger.warning(names.complaint())
    sizes = missing_sizes(entries, images, names) if images else {}
    for place, entry in enumerate(entries):
        key = whole_number(entry, "id", "an image")
        where = f"image {key}"
        if key in found.place_of:
            raise ValueError(f"{where}: the id occurs twice")
        name = image_name(entry)
        if name is None:
            raise ValueError(f"{where}: no file_name")
        height, width = _size(where, entry, sizes.get(place))
        try:
            tags = read_tags(entry.get("tags"), categories)
            annotated = read_annotated(entry.get("annotated"), height, width)
        except ValueError as error:
            raise ValueError(f"{where}: {error}") from error
        file = image_uri(images, names.file(name))
        found.add_image(key, file, (height, width), tags, annotated)
    return found


def image_name(entry: Any) -> str | None:
    """Return the file name in the entry of an image; None without one.

    LVIS has only addresses of images: then the last part of `coco_url` is the name.
    """
    if not isinstance(entry, dict):
        return None
    name = entry.get("file_name")
    if isinstance(name, str) and name:
        return name
    url = entry.get("coco_url")
    return unquote(urlsplit(url).path).rpartition("/")[2] or None if isinstance(url, str) else None


def missing_sizes(
    entries: Iterable[Any], folder: str, names: Names | None = None
) -> dict[int, tuple[int, int] | ImageError]:
    """Read the sizes (height, width) that entries lack from the images in `folder`.

    By place among the entries, where there is a name.  `names` are those of all entries, if they
    are known already.
    """
    unsized = {
        place: name
        for place, entry in enumerate(entries)
        if lacks_size(entry) and (name := image_name(entry)) is not None
    }
    if not unsized:
        return {}
    logger.info("reading the sizes of %d images, which the file lacks", len(unsized))
    names = names or locate_images(folder, unsized.values())
    return read_sizes({place: image_uri(folder, names.file(x)) for place, x in unsized.items()})


def _size(
    where: str, entry: dict[str, Any], found: tuple[int, int] | ImageError | None
) -> tuple[int, int]:
    """Return (height, width), from the entry unless it was `found` in the image."""
    if isinstance(found, ImageError):
        raise ValueError(f"{where}: {written_size(entry)}, and {found}") from found
    if found is not None:
        return found
    width, height = whole_number(entry, "width", where), whole_number(entry, "height", where)
    if width < 1 or height < 1:
        raise ValueError(
            f"{where}: width {width} and height {height}, both must be positive; with the folder "
            "of the images (--images) they are read from the files"
        )
    return height, width
