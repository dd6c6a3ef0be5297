"""A list of everything that is wrong with a COCO instance file and its images.

Reading stops at the first fatal problem; a person who repairs a data set needs the whole list.
So this works on the raw JSON, entry by entry, and continues after each finding.
"""

import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from upath import UPath

from ray_wssis.data.check.annotations import AnnotationChecker
from ray_wssis.data.check.images import ListedImage, check_images
from ray_wssis.data.coco.class_ids import off_by, off_by_one, used_ids
from ray_wssis.data.coco.file import load_json
from ray_wssis.data.images.facts import Facts, note_facts, read_facts
from ray_wssis.data.images.names import is_absolute, locate_images
from ray_wssis.data.images.read import ImageError, MissingImage, image_uri
from ray_wssis.data.problem import Problem, Problems

# Keys of whole numbers in the lists of a COCO file.
NUMBERS = {
    "images": ("id", "width", "height"),
    "annotations": ("id", "image_id", "category_id", "iscrowd"),
    "categories": ("id",),
}


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
    folder = None if images is None else str(images)
    listed = check_images(data["images"], categories, problems, folder)
    checker = AnnotationChecker(problems, categories, listed)
    checker.check(data["annotations"])
    checker.check_whole()
    check_class_ids(data["annotations"], categories, problems)
    check_texts(data, problems)
    if folder is not None:
        check_image_files(listed, folder, problems)
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


def check_class_ids(annotations: list[Any], categories: dict[int, str], problems: Problems) -> None:
    """Report category ids that are all off by one."""
    used, known = used_ids(annotations), set(categories)
    if off_by(used, known):
        found = off_by_one(used, known)
        wanted = "the ids of the categories; `wssis data fix IN OUT` shifts them"
        problems.add("error", "classes off by one", "annotations", found, wanted)


def check_texts(data: dict[str, Any], problems: Problems) -> None:
    """Count the entries of each list whose numbers are text."""
    for plural, keys in NUMBERS.items():
        texts = [
            (entry, key)
            for entry in data[plural]
            if isinstance(entry, dict)
            for key in keys
            if isinstance(entry.get(key), str)
        ]
        if texts:
            entry, key = texts[0]
            found = f"{len(texts)} numbers are text, {key} {entry[key]!r:.20} for example"
            problems.add("info", "numbers as text", plural, found, "nothing: numbers are read")


def check_image_files(images: dict[int, ListedImage], folder: str, problems: Problems) -> None:
    """Read every image once, on all cores."""
    files = {number: image.file for number, image in images.items() if image.file is not None}
    if not UPath(folder).is_dir() and not any(map(is_absolute, files.values())):
        found = "there is no such folder"
        problems.add("error", "images folder", folder, found, "the folder of the images")
        return
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
