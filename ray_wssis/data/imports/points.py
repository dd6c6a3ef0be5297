"""Points that people clicked in another tool, as weak records.

Pictures of an export are found, classes and places put to the test, and each mark becomes an
object, or those that the tool says belong together become one.  Whatever cannot be used is noted
and left out; the rest goes on.
"""

import difflib
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import PurePosixPath

from upath import UPath

from ray_wssis.data.check import Problem
from ray_wssis.data.coco import read_categories
from ray_wssis.data.coco_fields import read_point
from ray_wssis.data.images import ImageError, MissingImage, image_uri, read_size
from ray_wssis.data.imports.tools import (
    ExportFormat,
    Mark,
    MarkedPicture,
    Notes,
    Unusable,
    read_export,
    recognise,
)
from ray_wssis.data.records import Category, Click, Object, Record, Records, named

AT_A_TIME = 16  # pictures looked at; a thread that waits for a bucket takes no core

Size = tuple[int, int]  # (height, width)


@dataclass(frozen=True, kw_only=True)
class Imported:
    """What came out of an export, and what did not."""

    export_format: ExportFormat
    records: Records  # pictures with at least one point; their files are relative to the folder
    num_left_out: int  # pictures of the export that no record is about
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
    """The points of an export, with the categories of the COCO file `classes`.

    Of each picture only the size is read; it is looked for under `images`, first by its whole name
    in the export, then without the folders in front.  With `pixel_indices` 0.5 is added to x and y.
    Raises ValueError when the export, its format or the classes cannot be understood at all.
    """
    export, notes = UPath(export), Notes()
    if not export.exists():
        raise ValueError(f"{export}: there is no such file or folder")
    known = ExportFormat(export_format) if export_format else recognise(export)
    categories = read_categories(classes)
    pictures = read_export(export, known, notes)
    middle = 0.5 if pixel_indices else 0.0
    records: list[Record] = []
    num_objects = 0
    for picture, file, size in _located(pictures, str(images), notes):
        objects = _objects(picture.marks, size, categories, middle, notes)
        if objects:
            records.append(_record(len(records) + 1, num_objects + 1, file, size, objects))
            num_objects += len(objects)
    return Imported(
        export_format=known,
        records=Records.from_rows(records, categories),
        num_left_out=len(pictures) - len(records),
        others=notes.others,
        problems=sorted(notes.problems, key=lambda problem: problem.severity == "info"),
    )


def _located(
    pictures: Iterable[MarkedPicture], images: str, notes: Notes
) -> Iterator[tuple[MarkedPicture, str, Size]]:
    """Pictures that have marks, each with its name under `images` and its size."""

    def look(picture: MarkedPicture) -> tuple[str, Size] | ImageError:
        try:
            return _find(picture, images)
        except ImageError as error:
            return error

    clicked = [picture for picture in pictures if picture.marks]
    taken: dict[str, str] = {}
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        for picture, found in zip(clicked, pool.map(look, clicked), strict=True):
            with notes.item(picture.where):
                if isinstance(found, ImageError):
                    raise Unusable("picture", f"{found.file}: {found.found}", found.wanted)
                file, size = found
                if file in taken:
                    raise Unusable(
                        "picture used twice",
                        f"{file} is the picture of {taken[file]} too",
                        "a picture of its own; the points of the first were taken",
                    )
                taken[file] = picture.where
                yield picture, file, size


def _find(picture: MarkedPicture, images: str) -> tuple[str, Size]:
    """Its name under `images` and its size.  Raises ImageError."""
    parts = [part for part in PurePosixPath(picture.name).parts if part.strip("/.")]
    for start in range(len(parts)):
        name = "/".join(parts[start:])
        try:
            return name, read_size(image_uri(images, name), picture.size)
        except MissingImage:
            continue
    raise MissingImage(
        picture.name, f"there is no such picture under {images}", "check --images, or the name"
    )


def _objects(
    marks: Iterable[Mark],
    size: Size,
    categories: Sequence[Category],
    middle: float,
    notes: Notes,
) -> list[_Object]:
    """The objects that marks are about; `middle` is added to x and y."""
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
                found = "only points that are off the object"
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
        raise Unusable("point outside the picture", str(error), wanted) from error
    assert point is not None
    return point


def _record(
    image_id: int, annotation_id: int, file: str, size: Size, objects: Sequence[_Object]
) -> Record:
    """The record of a picture; its annotations are numbered from `annotation_id` on."""
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
