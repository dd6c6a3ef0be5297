"""COCO instance files, read into records.

Reading accepts what is published: polygons, compressed and plain run-length codes, crowds, and
files that mix masks with points.  A weak annotation is an ordinary one that has
`"point": [x, y]` (original pixels, x right, y down, pixel centres at +0.5) and no `segmentation`.
In a file that is known to be weak, the centre of the `bbox` stands in for a missing point.
Extra points on the object are `"extra_points": [[x, y], ...]` (`more_points` in older files),
points off it are `"negative_points": [[x, y], ...]`.

An image may carry `"annotated"`, the part that somebody looked at (polygons, an RLE, true for all
of it, false for nothing), and `"tags"`, names or ids of the categories that it shows.

The first fatal problem is raised, unless the caller gives a list: then annotations that cannot be
used are noted there and left out.  `wssis data check` lists all of them.
"""

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from upath import UPath

from ray_wssis.data.coco_fields import (
    read_annotated,
    read_clicks,
    read_crowd,
    read_mask_and_point,
    read_tags,
    whole_number,
)
from ray_wssis.data.crowds import Crowds
from ray_wssis.data.image_names import locate_images
from ray_wssis.data.images import image_uri
from ray_wssis.data.records import Category, Object, Record, Records
from ray_wssis.data.survey.annotation import Annotation
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
    crowds: Crowds = Crowds.IGNORE,
) -> Records:
    """Read a COCO instance file whose images lie under `images`.

    Images keep the order of the file, and so do the annotations of an image; an image without
    annotations is kept.  With `images=""` file names stay as they are.  With `boxes_as_points` an
    annotation that has a `bbox`, no mask and no point is pointed at in the centre of its box.
    Raises ValueError, naming the file and the entry, for what cannot be understood.  Where
    `rejected` is given, annotations raise nothing: they are left out and added to it; with
    `reject_masks=False` only those without a `segmentation` are.  With `Crowds.OBJECTS` a crowd is
    an object like the others.  What looks wrong in the file as a whole is logged as a warning.
    """
    data = load_json(annotations)
    survey = Survey()
    try:
        records = records_from_coco(
            data,
            images,
            boxes_as_points=boxes_as_points,
            rejected=rejected,
            reject_masks=reject_masks,
            crowds=crowds,
            survey=survey,
        )
    except ValueError as error:
        raise ValueError(
            f"{annotations}: {error}. `wssis data check` lists everything that is wrong"
        ) from error
    names = {category.id: category.name for category in records.categories}
    for problem in survey.findings(names):
        logger.warning("%s: %s; wanted: %s", annotations, problem.found, problem.wanted)
    return records


def load_json(uri: str | UPath) -> dict[str, Any]:
    """Parse a COCO file.  Raises ValueError when it is missing, no JSON or no COCO file."""
    try:
        data = json.loads(UPath(uri).read_bytes())
    except FileNotFoundError as error:
        raise ValueError(f"{uri}: there is no such annotation file") from error
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ValueError(f"{uri}: not a JSON file ({error})") from error
    keys = ("images", "annotations", "categories")
    if not isinstance(data, dict) or not all(isinstance(data.get(key), list) for key in keys):
        raise ValueError(f"{uri}: a COCO file has lists `images`, `annotations`, `categories`")
    return data


def read_categories(annotations: str | UPath) -> tuple[Category, ...]:
    """Read the categories of a COCO file by ascending id; a label is a place among them.

    Raises ValueError, naming the file, for what cannot be understood.
    """
    entries = load_json(annotations)["categories"]
    try:
        return _categories(entries)
    except ValueError as error:
        raise ValueError(f"{annotations}: {error}") from error


def records_from_coco(
    data: dict[str, Any],
    images: str | UPath,
    *,
    boxes_as_points: bool = False,
    rejected: list[Rejected] | None = None,
    reject_masks: bool = True,
    crowds: Crowds = Crowds.IGNORE,
    survey: Survey | None = None,
) -> Records:
    """Turn a parsed COCO file into records; see `read_coco`.  A `survey` sees every object."""
    categories = _categories(data["categories"])
    label_of = {category.id: label for label, category in enumerate(categories)}
    entries = _read_images(data["images"], str(images), categories)
    seen: set[int] = set()
    for annotation in data["annotations"]:
        try:
            image, obj = _read_object(annotation, entries, label_of, seen, boxes_as_points)
        except ValueError as error:
            if rejected is None or (not reject_masks and _has_mask(annotation)):
                raise
            rejected.append(_rejection(annotation, entries, str(error)))
        else:
            if crowds is Crowds.OBJECTS and obj.crowd:
                obj = replace(obj, crowd=False)
            image.objects.append(obj)
            if survey is not None:
                survey.add(_annotation(annotation, image, obj, categories))
    return Records.from_rows((image.record() for image in entries.values()), categories)


def _categories(entries: list[dict[str, Any]]) -> tuple[Category, ...]:
    categories: dict[int, Category] = {}
    for entry in entries:
        key = whole_number(entry, "id", "a category")
        if key in categories:
            raise ValueError(f"category {key}: the id occurs twice")
        categories[key] = Category(id=key, name=str(entry.get("name", key)))
    return tuple(sorted(categories.values(), key=lambda category: category.id))


class _Image(NamedTuple):
    """An image whose objects are still being collected."""

    image_id: int
    file: str
    width: int
    height: int
    tags: tuple[int, ...] | None
    annotated: bytes | None
    objects: list[Object]

    def record(self) -> Record:
        return Record(**self._asdict() | {"objects": tuple(self.objects)})


def _read_images(
    entries: list[dict[str, Any]], images: str, categories: Sequence[Category]
) -> dict[int, _Image]:
    """Read the images, without their objects, by image id in the order of the file."""
    found: dict[int, _Image] = {}
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
        found[key] = _Image(
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


def _read_object(
    annotation: Any,
    images: dict[int, _Image],
    label_of: dict[int, int],
    seen: set[int],
    boxes_as_points: bool,
) -> tuple[_Image, Object]:
    """Read the object of an annotation, and find its image.  Raises ValueError."""
    key = whole_number(annotation, "id", "an annotation")
    where = f"annotation {key}"
    if key in seen:
        raise ValueError(f"{where}: the id occurs twice")
    seen.add(key)
    image = images.get(whole_number(annotation, "image_id", where))
    if image is None:
        raise ValueError(f"{where}: there is no image {annotation['image_id']}")
    label = label_of.get(whole_number(annotation, "category_id", where))
    if label is None:
        raise ValueError(f"{where}: there is no category {annotation['category_id']}")
    try:
        mask, point = read_mask_and_point(
            annotation, image.height, image.width, boxes_as_points=boxes_as_points
        )
        clicks = read_clicks(annotation, image.height, image.width)
        crowd = read_crowd(annotation)
    except ValueError as error:
        raise ValueError(f"{where} (image {image.image_id}): {error}") from error
    return image, Object(
        annotation_id=key,
        label=label,
        mask=mask,
        point=point,
        crowd=crowd,
        clicks=clicks,
    )


def _annotation(
    entry: dict[str, Any], image: _Image, obj: Object, categories: Sequence[Category]
) -> Annotation:
    return Annotation(
        number=obj.annotation_id,
        image_id=image.image_id,
        category_id=categories[obj.label].id,
        height=image.height,
        width=image.width,
        entry=entry,
        mask=obj.mask,
        point=obj.point,
        crowd=obj.crowd,
    )


def _has_mask(annotation: Any) -> bool:
    return isinstance(annotation, dict) and bool(annotation.get("segmentation"))


def _rejection(annotation: Any, images: dict[int, _Image], complaint: str) -> Rejected:
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
