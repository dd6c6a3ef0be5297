"""A list of everything that is wrong with a COCO instance file and its images.

Reading stops at the first fatal problem; a person who repairs a data set needs the whole list.
So this works on the raw JSON, entry by entry, and continues after each finding.
"""

import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from upath import UPath

from ray_wssis.data.check_annotations import AnnotationChecker, ListedImage
from ray_wssis.data.coco_fields import read_annotated, read_tags
from ray_wssis.data.coco_file import load_json
from ray_wssis.data.image_facts import Facts, note_facts, read_facts
from ray_wssis.data.image_names import locate_images
from ray_wssis.data.images import ImageError, MissingImage, image_uri
from ray_wssis.data.problem import Problem, Problems
from ray_wssis.data.records import Category


def check_file(annotations: str | UPath, images: str | UPath | None = None) -> list[Problem]:
    """List all problems of a COCO file and, if `images` is given, of its images; errors first."""
    try:
        data = load_json(annotations)
    except ValueError as error:
        problem = Problem(
            severity="error",
            kind="unreadable file",
            where=str(annotations),
            found=str(error).removeprefix(f"{annotations}: "),
            wanted="a COCO instance file",
        )
        return [problem]
    return check_coco(data, images)


def check_coco(data: dict[str, Any], images: str | UPath | None = None) -> list[Problem]:
    """List all problems of a parsed COCO file and, where `images` is given, of its images."""
    problems = Problems()
    categories = check_categories(data["categories"], problems)
    listed = check_images(data["images"], categories, problems)
    checker = AnnotationChecker(problems, categories, listed)
    checker.check(data["annotations"])
    checker.check_whole()
    if images is not None:
        check_image_files(listed, str(images), problems)
    return problems.worst_first()


def check_categories(entries: list[Any], problems: Problems) -> dict[int, str]:
    """Check the categories and return their names by id."""
    names: dict[int, str] = {}
    uses: Counter[str] = Counter()
    for number, where, entry in problems.entries(entries, "categories", "category"):
        name = entry.get("name")
        if not isinstance(name, str) or not name:
            problems.add("warning", "category without name", where, "no name", "a name")
        names.setdefault(number, str(name or number))
        uses[names[number]] += 1
    for name, count in uses.items():
        if count > 1:
            found = f"{count} categories have this name"
            problems.add("warning", "duplicate name", f"category {name!r}", found, "one each")
    if not names:
        problems.add("error", "no category", "categories", "an empty list", "at least one class")
    return names


def check_images(
    entries: list[Any], categories: dict[int, str], problems: Problems
) -> dict[int, ListedImage]:
    """Check the images and return their entries by id."""
    images: dict[int, ListedImage] = {}
    users: dict[str, int] = {}  # image id by file name
    classes = [Category(id=key, name=name) for key, name in categories.items()]
    for number, where, entry in problems.entries(entries, "images", "image"):
        image = _listed_image(where, entry, classes, problems)
        images.setdefault(number, image)
        if image.file is not None and users.setdefault(image.file, number) != number:
            found = f"{image.file} is the file of image {users[image.file]} too"
            problems.add("warning", "file used twice", where, found, "one image per file")
    if not images:
        problems.add("error", "no image", "images", "an empty list", "at least one image")
    return images


def check_image_files(images: dict[int, ListedImage], folder: str, problems: Problems) -> None:
    """Read every image once, on all cores."""
    files = {number: image.file for number, image in images.items() if image.file is not None}
    names = locate_images(folder, files.values())
    if names.found:
        problems.add("info", "image names", "images", names.summary(), "nothing")

    def look(number: int) -> Facts | ImageError:
        lost = names.lost.get(files[number])
        if lost is not None:
            advice = lost.wanted or "check the images folder and `file_name`"
            return MissingImage(files[number], lost.found, advice)
        try:
            return read_facts(image_uri(folder, names.file(files[number])), images[number].size)
        except ImageError as error:
            return error

    readable: list[Facts] = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for number, seen in zip(files, pool.map(look, files), strict=True):
            if isinstance(seen, ImageError):
                where = f"image {number} ({seen.file})"
                problems.add("error", "image file", where, seen.found, seen.wanted)
            else:
                readable.append(seen)
    note_facts(readable, problems)


def _listed_image(
    where: str, entry: dict[str, Any], categories: list[Category], problems: Problems
) -> ListedImage:
    """Check the entry of an image; whatever is wrong is reported and left out."""
    width, height = (problems.number(entry, side, where) for side in ("width", "height"))
    size = None
    if width is not None and height is not None:
        if min(width, height) < 1:
            found = f"width {width}, height {height}"
            problems.add("error", "malformed entry", where, found, "positive sizes")
        else:
            size = height, width
    file = entry.get("file_name")
    if not isinstance(file, str) or not file:
        problems.add("error", "malformed entry", where, "no file_name", "a file_name")
        file = None
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
