"""A folder of images, of which nothing else is known."""

import hashlib
import logging
from collections.abc import Sequence
from posixpath import splitext

from upath import UPath

from ray_wssis.data.images.listing import list_files
from ray_wssis.data.images.names import IMAGE_SUFFIXES
from ray_wssis.data.images.read import ImageError, image_uri
from ray_wssis.data.images.sizes import read_sizes
from ray_wssis.data.records import Category, Record, Records
from ray_wssis.storage import Place, locate

logger = logging.getLogger(__name__)


def list_images(folder: str) -> list[str]:
    """List the paths of the images under a folder, sorted; hidden files are none."""
    return [name for name in list_files(folder) if _is_image(name)]


def hash_listing(folder: Place) -> str:
    """Return a SHA-256 over the names of the images under a folder."""
    names = "\n".join(list_images(str(locate(folder))))
    return hashlib.sha256(names.encode()).hexdigest()


def read_images(folder: Place, categories: Sequence[Category], first_id: int) -> Records:
    """Make records without objects of all images under a folder, numbered from `first_id`.

    Images that cannot be read are left out, with a warning.  Raises ValueError if there is none.
    """
    place = str(locate(folder))
    names = list_images(place)
    sizes = read_sizes({name: image_uri(place, name) for name in names})
    unread = [size for size in sizes.values() if isinstance(size, ImageError)]
    records = [
        Record(image_id=number, file=image_uri(place, name), width=size[1], height=size[0])
        for number, (name, size) in enumerate(sizes.items(), first_id)
        if not isinstance(size, ImageError)
    ]
    if not records:
        what = f"none of its {len(names)} images can be read" if names else "it holds no image"
        there = what if UPath(place).is_dir() else "there is no such folder"
        raise ValueError(f"{folder}: {there}; give a folder of images")
    if unread:
        logger.warning(
            "%s: %d of %d images cannot be read and are left out, for instance %s",
            *(folder, len(unread), len(names), unread[0]),
        )
    return Records.from_rows(records, categories)


def _is_image(name: str) -> bool:
    """Tell whether a file is an image by its name; hidden ones are what a system left behind."""
    is_hidden = name.rpartition("/")[2].startswith(".")
    return not is_hidden and splitext(name)[1].casefold() in IMAGE_SUFFIXES
