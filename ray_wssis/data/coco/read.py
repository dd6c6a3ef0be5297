"""COCO instance files, read into records.

Reading accepts what is published: polygons, compressed and plain run-length codes, crowds, and
files that mix masks with points.  A weak annotation is an ordinary one that has
`"point": [x, y]` (original pixels, x right, y down, pixel centres at +0.5) and no `segmentation`.
In a file that is known to be weak, the centre of the `bbox` stands in for a missing point.
Extra points on the object are `"extra_points": [[x, y], ...]` (`more_points` in older files),
points off it are `"negative_points": [[x, y], ...]`.

An image may carry `"annotated"`, the part that somebody looked at (polygons, an RLE, true for all
of it, false for nothing), and `"tags"`, names or ids of the categories that it shows.

An annotation with `"suggested": true` comes from a network, nobody accepted it, and it is left out.

The first fatal problem is raised, unless the caller gives a list: then annotations that cannot be
used are noted there and left out.  `wssis data check` lists all of them.
"""

import logging
from array import array
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from upath import UPath

from ray_wssis.data.coco.class_ids import off_by, off_by_one, used_ids
from ray_wssis.data.coco.crowds import Crowds
from ray_wssis.data.coco.fields import whole_number
from ray_wssis.data.coco.file import open_coco
from ray_wssis.data.coco.images import read_images
from ray_wssis.data.coco.objects import ObjectReader
from ray_wssis.data.coco.outlines import Fault, OutlineError, is_blank, read_corner
from ray_wssis.data.records import Category, Records
from ray_wssis.data.survey.points import FRACTIONS
from ray_wssis.data.survey.suggestions import is_suggested
from ray_wssis.data.survey.survey import Survey

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Rejected:
    """An annotation that cannot be used, and why."""

    image_id: int | None  # None: it belongs to no image of the file
    annotation_id: int | None  # None: it has none
    reason: str


def read_coco(
    annotations: str | UPath,
    images: str | UPath,
    *,
    boxes_as_points: bool = False,
    rejected: list[Rejected] | None = None,
    reject_masks: bool = True,
    point_suffices: bool = False,
    crowds: Crowds = Crowds.IGNORE,
) -> Records:
    """Read a COCO instance file whose images lie under `images`.

    Images keep the order of the file, and so do the annotations of an image; an image without
    annotations is kept.  With `images=""` file names stay as they are.  With `boxes_as_points` an
    annotation that has a `bbox`, no mask and no point is pointed at in the centre of its box.
    Raises ValueError, naming the file and the entry, for what cannot be understood.  Where
    `rejected` is given, annotations raise nothing: they are left out and added to it; with
    `reject_masks=False` only those without a `segmentation` are.  An outline without area is left
    out in any case, unless most of them are.  With `point_suffices` a point is enough where the
    mask beside it cannot be read.  With `Crowds.OBJECTS` a crowd is an object like the others.
    What looks wrong in the file as a whole is logged as a warning.
    """
    data = open_coco(annotations)
    survey = Survey()
    try:
        records = records_from_coco(
            data,
            images,
            boxes_as_points=boxes_as_points,
            rejected=rejected,
            reject_masks=reject_masks,
            point_suffices=point_suffices,
            crowds=crowds,
            survey=survey,
        )
    except ValueError as error:
        raise ValueError(
            f"{annotations}: {error}. `wssis data check` lists everything that is wrong"
        ) from error
    names = {category.id: category.name for category in records.categories}
    for problem in survey.findings(names):
        left_out = problem.kind == Fault.NO_AREA and rejected is None
        if problem.severity == "error" and (left_out or problem.kind == FRACTIONS):
            raise ValueError(f"{annotations}: {problem.found}; wanted: {problem.wanted}")
        logger.warning("%s: %s; wanted: %s", annotations, problem.found, problem.wanted)
    return records


def read_categories(annotations: str | UPath) -> tuple[Category, ...]:
    """Read the categories of a COCO file by ascending id; a label is a place among them.

    Raises ValueError, naming the file, for what cannot be understood.
    """
    entries = open_coco(annotations)["categories"]
    try:
        return _categories(entries)
    except ValueError as error:
        raise ValueError(f"{annotations}: {error}") from error


def records_from_coco(
    data: Mapping[str, Iterable[Any]],
    images: str | UPath,
    *,
    boxes_as_points: bool = False,
    rejected: list[Rejected] | None = None,
    reject_masks: bool = True,
    point_suffices: bool = False,
    crowds: Crowds = Crowds.IGNORE,
    survey: Survey | None = None,
) -> Records:
    """Turn a COCO file into records; see `read_coco`.  A `survey` sees every object.

    The lists are gone through several times, and may be those of `open_coco`.
    """
    categories, survey = _categories(data["categories"]), survey or Survey()
    found = read_images(data["images"], str(images), categories)
    reader = ObjectReader(
        found,
        categories,
        survey,
        _repeated_ids(data["annotations"]),
        boxes_as_points=boxes_as_points,
        point_suffices=point_suffices,
        crowds=crowds,
    )
    _check_class_ids(data["annotations"], {category.id for category in categories})
    for annotation in data["annotations"]:
        if is_suggested(annotation):
            survey.add_suggestion()
            continue
        try:
            reader.read(annotation)
        except ValueError as error:
            left_out = isinstance(error, OutlineError) and error.fault is Fault.NO_AREA
            if rejected is not None and (left_out or reject_masks or not _has_mask(annotation)):
                rejected.append(_rejection(annotation, found.place_of, str(error)))
            elif not left_out:
                raise
    return found.records(categories)


def _categories(entries: Iterable[dict[str, Any]]) -> tuple[Category, ...]:
    categories: dict[int, Category] = {}
    for entry in entries:
        key = whole_number(entry, "id", "a category")
        if key in categories:
            raise ValueError(f"category {key}: the id occurs twice")
        categories[key] = Category(id=key, name=str(entry.get("name", key)))
    return tuple(sorted(categories.values(), key=lambda category: category.id))


def _repeated_ids(annotations: Iterable[Any]) -> set[int]:
    """Return the ids that occur more than once."""
    numbers = array("q")
    for entry in annotations:
        try:
            numbers.append(whole_number(entry, "id", ""))
        except ValueError:
            continue  # raised again when it is read
    values, counts = np.unique(np.array(numbers, dtype=np.int64), return_counts=True)
    return set(values[counts > 1].tolist())


def _check_class_ids(annotations: Iterable[Any], known: set[int]) -> None:
    used = used_ids(annotations)
    if off_by(used, known):
        raise ValueError(f"{off_by_one(used, known)}; `wssis data fix IN OUT` shifts them")


def _has_mask(annotation: Any) -> bool:
    if not isinstance(annotation, dict) or is_blank(annotation.get("segmentation")):
        return False
    return read_corner(annotation) is None


def _rejection(annotation: Any, images: Container[int], complaint: str) -> Rejected:
    """Make the rejection of an annotation, without the name that `complaint` begins with."""
    numbers: dict[str, int | None] = {}
    for key in ("image_id", "id"):
        try:
            numbers[key] = whole_number(annotation, key, "")
        except ValueError:
            numbers[key] = None
    return Rejected(
        image_id=numbers["image_id"] if numbers["image_id"] in images else None,
        annotation_id=numbers["id"],
        reason=complaint.partition(": ")[2],
    )
