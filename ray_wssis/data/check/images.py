"""Checks of the entries of images in a COCO instance file."""

from dataclasses import dataclass
from typing import Any

from ray_wssis.data.coco.fields import read_annotated, read_tags
from ray_wssis.data.coco.images import image_name, missing_sizes
from ray_wssis.data.images.read import ImageError
from ray_wssis.data.images.sizes import lacks_size, written_size
from ray_wssis.data.problem import Problems
from ray_wssis.data.records import Category

Size = tuple[int, int]  # (height, width)


@dataclass(frozen=True, kw_only=True)
class ListedImage:
    """A valid part of the entry of an image; the rest is None."""

    file: str | None
    size: Size | None
    annotated: bytes | None  # counts of the part that somebody looked at; None: all of it


def check_images(
    entries: list[Any], categories: dict[int, str], problems: Problems, folder: str | None
) -> dict[int, ListedImage]:
    """Check the images and return their entries by id; missing sizes are read in `folder`."""
    images: dict[int, ListedImage] = {}
    users: dict[str, int] = {}  # image id by file name
    classes = [Category(id=key, name=name) for key, name in categories.items()]
    sizes = _missing_sizes(entries, problems, folder)
    num_urls = 0
    for number, where, entry in problems.entries(entries, "images", "image"):
        image = _listed_image(where, entry, classes, problems, sizes.get(id(entry)))
        images.setdefault(number, image)
        num_urls += image.file is not None and not entry.get("file_name")
        if image.file is not None and users.setdefault(image.file, number) != number:
            found = f"{image.file} is the file of image {users[image.file]} too"
            problems.add("warning", "file used twice", where, found, "one image per file")
    if num_urls:
        found = f"{num_urls} images have no file_name, the last part of coco_url is taken"
        problems.add("info", "named by coco_url", "images", found, "nothing")
    if not images:
        problems.add("error", "no image", "images", "an empty list", "at least one image")
    return images


def _missing_sizes(entries: list[Any], problems: Problems, folder: str | None) -> dict[int, Size]:
    """Read the sizes that entries lack, by the identity of the entry, and report them together."""
    lacking = [entry for entry in entries if lacks_size(entry)]
    if not lacking:
        return {}
    first = lacking[0].get("id")
    found = f"{len(lacking)} of {len(entries)} images have no size: {written_size(lacking[0])}"
    where = f"image {first}" if len(lacking) == 1 else f"image {first} and others"
    if folder is None:
        wanted = "positive sizes; --images FOLDER reads them from the images"
        problems.add("error", "malformed entry", where, found, wanted)
        return {}
    sizes = {
        id(lacking[place]): size
        for place, size in missing_sizes(lacking, folder).items()
        if not isinstance(size, ImageError)
    }
    if sizes:
        text = f"{len(sizes)} of {len(entries)} images have no size: {written_size(lacking[0])}"
        wanted = "nothing: sizes are read from the images; `wssis data fix` writes them"
        problems.add("info", "sizes from images", where, text, wanted)
    if len(sizes) < len(lacking):
        lost = len(lacking) - len(sizes)
        text = f"{lost} of {len(entries)} images have no size and no readable file"
        problems.add("error", "malformed entry", where, text, "positive sizes")
    return sizes


def _listed_image(
    where: str,
    entry: dict[str, Any],
    categories: list[Category],
    problems: Problems,
    size: Size | None,
) -> ListedImage:
    """Check the entry of an image; whatever is wrong is reported and left out."""
    if size is None and not lacks_size(entry):
        width, height = (problems.number(entry, side, where) for side in ("width", "height"))
        if width is not None and height is not None:
            size = height, width
    file = image_name(entry)
    if file is None:
        problems.add("error", "malformed entry", where, "no file_name", "a file_name")
    try:
        read_tags(entry.get("tags"), categories)
    except ValueError as error:
        wanted = "names or ids of categories of this file"
        problems.add("error", "malformed tags", where, str(error), wanted)
    annotated = None
    try:
        annotated = None if size is None else read_annotated(entry.get("annotated"), *size)
    except ValueError as error:
        wanted = "polygons or an RLE of the part that somebody looked at, or true or false"
        problems.add("error", "malformed annotated part", where, str(error), wanted)
    return ListedImage(file=file, size=size, annotated=annotated)
