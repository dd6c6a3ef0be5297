"""Points that people clicked in another tool, as weak records.

The images of an export are located, classes and places are checked, and each mark becomes an
object; marks that the tool says belong together become one.  What cannot be used is noted and left
out.
"""

import difflib
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from upath import UPath

from ray_wssis.data.coco import read_categories
from ray_wssis.data.coco_fields import read_point
from ray_wssis.data.image_names import FOLDERS, NO_FILE, Names, locate_exports
from ray_wssis.data.images import ImageError, MissingImage, image_uri, read_size
from ray_wssis.data.imports.export import Mark, MarkedImage, Notes, Unusable
from ray_wssis.data.imports.export_format import ExportFormat
from ray_wssis.data.imports.formats import read_export, recognise
from ray_wssis.data.problem import Problem
from ray_wssis.data.records import Category, Click, Object, Record, Records, named

NUM_THREADS = 16  # that read sizes; a thread that waits for a bucket takes no core

Size = tuple[int, int]  # (height, width)


@dataclass(frozen=True, kw_only=True)
class Imported:
    """Content of an export: the usable part, and notes about the rest."""

    export_format: ExportFormat
    records: Records  # images with at least one point; their files are relative to the folder
    num_left_out: int  # images of the export that no record is about
    others: Counter[str]  # number of annotations of each kind that is not a point
    problems: list[Problem]


@dataclass(frozen=True, kw_only=True)
class _Object:
    label: int
    clicks: list[Click]  # a positive one first


def import_points(
    export: str | UPath,
    *,
    classes: str | UPath,
    images: str | UPath,
    export_format: ExportFormat | str | None = None,
    pixel_indices: bool = False,
) -> Imported:
    """Read the points of an export, with the categories of the COCO file `classes`.

    Only the sizes of images are read.  An image is looked for under `images`, first by its whole
    name in the export, then without the folders in front.  With `pixel_indices` 0.5 is added to x
    and y.
    Raises ValueError when the export, its format or the classes cannot be understood at all.
    """
    export, notes = UPath(export), Notes()
    if not export.exists():
        raise ValueError(f"{export}: there is no such file or folder")
    known = ExportFormat(export_format) if export_format else recognise(export)
    categories = read_categories(classes)
    marked = read_export(export, known, notes)
    middle = 0.5 if pixel_indices else 0.0
    records: list[Record] = []
    num_objects = 0
    for image, file, size in _located(marked, str(images), notes):
        objects = _objects(image.marks, size, categories, middle, notes)
        if objects:
            records.append(_record(len(records) + 1, num_objects + 1, file, size, objects))
            num_objects += len(objects)
    return Imported(
        export_format=known,
        records=Records.from_rows(records, categories),
        num_left_out=len(marked) - len(records),
        others=notes.others,
        problems=notes.problems.worst_first(),
    )


def _located(
    marked: Iterable[MarkedImage], images: str, notes: Notes
) -> Iterator[tuple[MarkedImage, str, Size]]:
    """Yield the images that have marks, each with its name under `images` and its size."""

    clicked = [image for image in marked if image.marks]
    names = locate_exports(images, (image.name for image in clicked))
    odd = {name: found for name, found in names.found.items() if found.differs != FOLDERS}
    if odd:
        notes.problems.add("info", "image names", "images", names.summary(odd), "nothing")

    def look(image: MarkedImage) -> tuple[str, Size] | ImageError:
        try:
            return _find(image, names)
        except ImageError as error:
            return error

    taken: dict[str, str] = {}
    with ThreadPoolExecutor(NUM_THREADS) as pool:
        for image, found in zip(clicked, pool.map(look, clicked), strict=True):
            with notes.item(image.where):
                if isinstance(found, ImageError):
                    raise Unusable("image file", f"{found.file}: {found.found}", found.wanted)
                file, size = found
                if file in taken:
                    raise Unusable(
                        "file used twice",
                        f"{file} is the file of {taken[file]} too",
                        "a file of its own; the points of the first were taken",
                    )
                taken[file] = image.where
                yield image, file, size


def _find(image: MarkedImage, names: Names) -> tuple[str, Size]:
    """Find the name of an image under the folder, and its size.  Raises ImageError."""
    lost = names.lost.get(image.name)
    if lost is not None:
        found = lost.found.replace(NO_FILE, f"{NO_FILE} under {names.images}")
        raise MissingImage(image.name, found, lost.wanted or "check --images, or the name")
    file = names.file(image.name)
    return file, read_size(image_uri(names.images, file), image.size)


def _objects(
    marks: Iterable[Mark],
    size: Size,
    categories: Sequence[Category],
    middle: float,
    notes: Notes,
) -> list[_Object]:
    """Turn marks into objects; `middle` is added to x and y."""
    labels = {category.name: label for label, category in enumerate(categories)}
    groups: dict[Hashable, tuple[Mark, list[Click]]] = {}
    for number, mark in enumerate(marks):
        with notes.item(mark.where):
            if mark.class_name not in labels:
                raise _unknown_class(mark.class_name, categories)
            click = Click(*_place(mark.x + middle, mark.y + middle, size), mark.positive)
            key = (mark.class_name, mark.group) if mark.group else number
            groups.setdefault(key, (mark, []))[1].append(click)
    objects = []
    for first, clicks in groups.values():
        with notes.item(first.where):
            clicks.sort(key=lambda click: not click.positive)
            if not clicks[0].positive:
                found = "only points off the object"
                raise Unusable("no point on it", found, "at least one on it")
            objects.append(_Object(label=labels[first.class_name], clicks=clicks))
    return objects


def _unknown_class(name: str, categories: Sequence[Category]) -> Unusable:
    folded = {category.name.casefold(): category.name for category in categories}
    near = difflib.get_close_matches(name.casefold(), folded, n=1)
    wanted = f"did you mean {folded[near[0]]!r}?" if near else f"one of {named(categories)}"
    return Unusable(f"unknown class {name!r}", f"the class {name!r}", wanted)


def _place(x: float, y: float, size: Size) -> tuple[float, float]:
    height, width = size
    try:
        point = read_point([x, y], height, width)
    except ValueError as error:
        wanted = f"0 <= x < {width} and 0 <= y < {height}"
        raise Unusable("point outside the image", str(error), wanted) from error
    assert point is not None
    return point


def _record(
    image_id: int, annotation_id: int, file: str, size: Size, objects: Sequence[_Object]
) -> Record:
    """Make the record of an image; its annotations are numbered from `annotation_id` on."""
    height, width = size
    return Record(
        image_id=image_id,
        file=file,
        width=width,
        height=height,
        objects=tuple(
            Object(
                annotation_id=annotation_id + i,
                label=clicked.label,
                point=(clicked.clicks[0].x, clicked.clicks[0].y),
                clicks=tuple(clicked.clicks[1:]),
            )
            for i, clicked in enumerate(objects)
        ),
    )
