"""Everything that is wrong with a COCO instance file and its pictures, in one go.

Reading stops at the first fatal problem; a person who repairs a data set wants the whole list.
So this works on the raw JSON, entry by entry, and goes on after each finding.

An *error* makes the file unusable, a *warning* is most likely a mistake but can be used, an *info*
is allowed and good to know.
"""

import os
from collections import Counter, defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Literal

from upath import UPath

from ray_wssis import masks
from ray_wssis.data.coco import load_json
from ray_wssis.data.coco_fields import (
    CLICK_KEYS,
    listed_points,
    read_box_centre,
    read_click,
    read_mask,
    read_point,
    whole_number,
)
from ray_wssis.data.images import ImageError, image_uri, read_image
from ray_wssis.data.records import Click, Point

Severity = Literal["error", "warning", "info"]


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One finding: where it is, what was found there, what is wanted instead."""

    severity: Severity
    kind: str  # the same few words for all findings of a kind
    where: str
    found: str
    wanted: str


def check_file(annotations: str | UPath, images: str | UPath | None = None) -> list[Problem]:
    """All problems of a COCO file and, where `images` is given, of its pictures; errors first."""
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
    """All problems of a parsed COCO file and, where `images` is given, of its pictures."""
    checker = _Checker(data)
    checker.check_categories()
    checker.check_images()
    checker.check_annotations()
    checker.check_whole()
    if images is not None:
        checker.check_pictures(str(images))
    rank = {"error": 0, "warning": 1, "info": 2}
    return sorted(checker.problems, key=lambda problem: rank[problem.severity])


class _Checker:
    """Walks through one file; what earlier steps learn is looked up by later ones."""

    def __init__(self, data: dict[str, Any]) -> None:
        self.data = data
        self.problems: list[Problem] = []
        self.categories: dict[int, str] = {}  # name by id
        self.sizes: dict[int, tuple[int, int] | None] = {}  # (height, width) by image id
        self.files: dict[int, str] = {}  # file name by image id
        self.num_annotations: Counter[int] = Counter()  # by image id
        self.num_masks: Counter[int] = Counter()  # by category id, crowds left out
        self.num_points: Counter[int] = Counter()  # by category id, where no mask is known
        self.num_boxes = 0  # annotations that only a box locates, crowds left out
        self.on_pixel: dict[tuple[int, int, int], list[Any]] = defaultdict(list)  # annotation ids

    def add(self, severity: Severity, kind: str, where: str, found: str, wanted: str) -> None:
        self.problems.append(
            Problem(severity=severity, kind=kind, where=where, found=found, wanted=wanted)
        )

    def entries(self, key: str, singular: str) -> Iterator[tuple[int, str, dict[str, Any]]]:
        """Id, name for messages, and content of each entry with an id; others are reported."""
        seen: set[int] = set()
        for place, entry in enumerate(self.data[key]):
            try:
                number = whole_number(entry, "id", f"entry {place} of {key}")
            except ValueError as error:
                where, _, found = str(error).partition(": ")
                self.add("error", "no id", where, found, "a whole number as `id`")
                continue
            where = f"{singular} {number}"
            if number in seen:
                found = f"the id occurs again in entry {place} of {key}"
                self.add("error", "duplicate id", where, found, "every id once")
            seen.add(number)
            yield number, where, entry

    def number(self, entry: dict[str, Any], key: str, where: str) -> int | None:
        """A whole number of an entry; None, and reported, when it is none."""
        try:
            return whole_number(entry, key, where)
        except ValueError as error:
            found = str(error).removeprefix(f"{where}: ").partition(",")[0]
            self.add("error", "malformed entry", where, found, "a whole number")
            return None

    def check_categories(self) -> None:
        names: Counter[str] = Counter()
        for number, where, entry in self.entries("categories", "category"):
            name = entry.get("name")
            if not isinstance(name, str) or not name:
                self.add("warning", "category without name", where, "no name", "a name")
            self.categories.setdefault(number, str(name or number))
            names[self.categories[number]] += 1
        for name, count in names.items():
            if count > 1:
                found = f"{count} categories have this name"
                self.add("warning", "duplicate name", f"category {name!r}", found, "one each")
        if not self.categories:
            self.add("error", "no category", "categories", "an empty list", "at least one class")

    def check_images(self) -> None:
        users: dict[str, int] = {}  # image id by file name
        for number, where, entry in self.entries("images", "image"):
            width = self.number(entry, "width", where)
            height = self.number(entry, "height", where)
            if width is not None and height is not None and min(width, height) < 1:
                found = f"width {width}, height {height}"
                self.add("error", "malformed entry", where, found, "positive sizes")
                width = None
            size = None if width is None or height is None else (height, width)
            self.sizes.setdefault(number, size)
            file = entry.get("file_name")
            if not isinstance(file, str) or not file:
                self.add("error", "malformed entry", where, "no file_name", "a file_name")
                continue
            self.files.setdefault(number, file)
            if users.setdefault(file, number) != number:
                found = f"{file} is the picture of image {users[file]} too"
                self.add("warning", "picture used twice", where, found, "one image per picture")
        if not self.sizes:
            self.add("error", "no image", "images", "an empty list", "at least one image")

    def check_annotations(self) -> None:
        for number, where, entry in self.entries("annotations", "annotation"):
            image = self.number(entry, "image_id", where)
            category = self.number(entry, "category_id", where)
            if category is not None and category not in self.categories:
                found = f"category_id {category}"
                self.add("error", "unknown category", where, found, self._known_categories())
            if image is None:
                continue
            self.num_annotations[image] += 1
            if image not in self.sizes:
                found = f"image_id {image}"
                self.add("error", "unknown image", where, found, "the id of an image of this file")
                continue
            size = self.sizes[image]
            if size is not None:
                self.check_shape(number, f"{where} (image {image})", entry, image, category, size)

    def check_shape(
        self,
        number: int,
        where: str,
        entry: dict[str, Any],
        image: int,
        category: int | None,
        size: tuple[int, int],
    ) -> None:
        """The mask and the point of an annotation, each on its own, or else its box."""
        crowd = entry.get("iscrowd", 0)
        if crowd not in (0, 1):
            self.add("error", "malformed entry", where, f"iscrowd is {crowd!r:.40}", "0 or 1")
        if crowd == 1:
            wanted = "nothing: an ignore region in a strong part, left out of a weak one"
            self.add("info", "crowd", where, "a crowd region", wanted)
        mask = self._mask(where, entry.get("segmentation"), size)
        point = self._point(where, entry.get("point"), size)
        clicks = self._clicks(where, entry, size)
        only_box = not entry.get("segmentation") and entry.get("point") is None
        if only_box:
            point = self._box_centre(where, entry, size)
        if category is None or crowd == 1:
            return
        self.num_masks[category] += mask is not None
        self.num_points[category] += mask is None and point is not None
        self.num_boxes += only_box and point is not None
        places = [] if point is None else [point]
        places += [(click.x, click.y) for click in clicks if click.positive]
        for x, y in {(int(x), int(y)) for x, y in places}:
            self.on_pixel[image, x, y].append(number)

    def _mask(self, where: str, segmentation: Any, size: tuple[int, int]) -> bytes | None:
        try:
            mask = read_mask(segmentation, *size)
        except ValueError as error:
            self.add("error", "malformed mask", where, str(error), "polygons or an RLE")
            return None
        if mask is not None and masks.area(mask, *size) == 0:
            wanted = "at least one pixel; remove the annotation or repair it"
            self.add("error", "empty mask", where, "the mask has no pixel", wanted)
            return None
        return mask

    def _clicks(self, where: str, entry: dict[str, Any], size: tuple[int, int]) -> list[Click]:
        clicks = []
        for key in CLICK_KEYS:
            try:
                points = listed_points(entry, key)
            except ValueError as error:
                self.add("error", "malformed point", where, str(error), "[[x, y], ...]")
                continue
            for point in points:
                try:
                    clicks.append(read_click(key, point, *size))
                except ValueError as error:
                    self._bad_point(where, str(error), size)
        return clicks

    def _point(self, where: str, point: Any, size: tuple[int, int]) -> Point | None:
        try:
            return read_point(point, *size)
        except ValueError as error:
            self._bad_point(where, str(error), size)
            return None

    def _bad_point(self, where: str, found: str, size: tuple[int, int]) -> None:
        kind = "point outside the picture" if "outside" in found else "malformed point"
        wanted = f"[x, y] with 0 <= x < {size[1]} and 0 <= y < {size[0]}"
        self.add("error", kind, where, found, wanted)

    def _box_centre(self, where: str, entry: dict[str, Any], size: tuple[int, int]) -> Point | None:
        try:
            centre = read_box_centre(entry.get("bbox"), *size)
        except ValueError as error:
            outside = "outside" in str(error)
            kind = "box outside the picture" if outside else "malformed box"
            wanted = f"[x, y, width, height] with a part in {size[1]} x {size[0]} pixels"
            self.add("error", kind, where, str(error), wanted)
            return None
        if centre is None:
            others = " beside ".join(key for key in CLICK_KEYS if entry.get(key))
            found = "neither segmentation nor point, and no bbox"
            found += f"; only {others}" if others else ""
            self.add("error", "no mask, no point", where, found, "at least one of them")
        return centre

    def check_whole(self) -> None:
        """What only shows when all annotations were seen."""
        if self.num_boxes:
            found = f"{self.num_boxes} boxes without mask and point"
            wanted = "masks, unless it is a weak file: there the boxes become points, their centres"
            severity: Severity = "warning" if self.num_masks.total() else "info"
            self.add(severity, "boxes become points", "annotations", found, wanted)
        for (image, x, y), numbers in self.on_pixel.items():
            if len(numbers) > 1:
                found = f"annotations {', '.join(map(str, numbers))} point at pixel ({x}, {y})"
                wanted = "one object per pixel; were they clicked twice?"
                self.add("warning", "two points on one pixel", f"image {image}", found, wanted)
        for image in self.sizes:
            if not self.num_annotations[image]:
                wanted = "nothing, if there is no object in it"
                self.add("info", "empty image", f"image {image}", "no annotation", wanted)
        for number, name in self.categories.items():
            where = f"category {number} ({name})"
            if not self.num_masks[number] and not self.num_points[number]:
                self.add("info", "unused category", where, "no annotation", "nothing")
            elif not self.num_masks[number] and self.num_masks.total():
                found = f"{self.num_points[number]} points and no mask, others have masks"
                wanted = "a few masks: a class without any cannot be learnt"
                self.add("warning", "class without masks", where, found, wanted)

    def check_pictures(self, images: str) -> None:
        """Read every picture once, on all cores."""

        def look(number: int) -> tuple[int, ImageError | None]:
            try:
                read_image(image_uri(images, self.files[number]), self.sizes.get(number))
            except ImageError as error:
                return number, error
            return number, None

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for number, error in pool.map(look, self.files):
                if error is not None:
                    where = f"image {number} ({error.file})"
                    self.add("error", "picture", where, error.found, error.wanted)

    def _known_categories(self) -> str:
        known = sorted(self.categories)
        return f"one of {', '.join(map(str, known[:12]))}{', ...' if len(known) > 12 else ''}"
