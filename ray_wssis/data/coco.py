"""COCO instance files in and out: the only place that knows their keys.

Reading accepts what is published: polygons, compressed and plain run-length codes, crowds, and
files that mix masks with points.  A weak annotation is an ordinary one that has
`"point": [x, y]` (original pixels, x right, y down, pixel centres at +0.5) and no `segmentation`.
In a file that is known to be weak, the centre of the `bbox` stands in for a point that is missing.
Further points of the object are `"more_points": [[x, y], ...]`, points that are off it are
`"negative_points": [[x, y], ...]`.
Writing always gives compressed run-length codes; an annotation without a mask gets no
`segmentation`, no `bbox` and no `area`, so that nothing of a hidden mask leaks.

The first fatal problem is raised, unless the caller gives a list: then annotations that cannot be
used are noted there and left out.  `wssis data check` lists all of them.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from math import isfinite
from typing import Any

from upath import UPath

from ray_wssis import masks
from ray_wssis.data.records import Category, Click, Object, Point, Record, Records

CLICK_KEYS = {"more_points": True, "negative_points": False}  # and whether they are positive


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
) -> Records:
    """Records of a COCO instance file whose pictures lie under `images`.

    Images keep the order of the file, and so do the annotations of an image; an image without
    annotations is kept.  With `images=""` file names stay as they are.  With `boxes_as_points` an
    annotation that has a `bbox`, no mask and no point is pointed at in the centre of its box.
    Raises ValueError, naming the file and the entry, for what cannot be understood.  Annotations
    are not raised for but left out and added to `rejected`, where it is given; with
    `reject_masks=False` only those without a `segmentation` are.
    """
    data = load_json(annotations)
    try:
        return records_from_coco(
            data,
            images,
            boxes_as_points=boxes_as_points,
            rejected=rejected,
            reject_masks=reject_masks,
        )
    except ValueError as error:
        raise ValueError(
            f"{annotations}: {error}. `wssis data check` lists everything that is wrong"
        ) from error


def load_json(uri: str | UPath) -> dict[str, Any]:
    """The parsed COCO file.  Raises ValueError when it is missing, no JSON or no COCO file."""
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
    """The categories of a COCO file by ascending id; a label is the place in there.

    Raises ValueError, naming the file, for what cannot be understood.
    """
    entries = load_json(annotations)["categories"]
    try:
        return tuple(_categories(entries))
    except ValueError as error:
        raise ValueError(f"{annotations}: {error}") from error


def records_from_coco(
    data: dict[str, Any],
    images: str | UPath,
    *,
    boxes_as_points: bool = False,
    rejected: list[Rejected] | None = None,
    reject_masks: bool = True,
) -> Records:
    """Records of a parsed COCO file; see `read_coco`."""
    categories = _categories(data["categories"])
    label_of = {category.id: label for label, category in enumerate(categories)}
    records = _empty_records(data["images"], str(images))
    objects: dict[int, list[Object]] = {image_id: [] for image_id in records}
    seen: set[int] = set()
    for annotation in data["annotations"]:
        try:
            record, obj = _read_object(annotation, records, label_of, seen, boxes_as_points)
        except ValueError as error:
            if rejected is None or (not reject_masks and _has_mask(annotation)):
                raise
            rejected.append(_rejection(annotation, records, str(error)))
        else:
            objects[record.image_id].append(obj)
    return Records.from_rows(
        (replace(record, objects=tuple(objects[key])) for key, record in records.items()),
        categories,
    )


def read_mask_and_point(
    annotation: dict[str, Any], height: int, width: int, *, boxes_as_points: bool = False
) -> tuple[bytes | None, Point | None]:
    """What a COCO annotation says about where its object is; at least one of the two is known.

    Raises ValueError for a malformed or empty mask, a point or a box off the picture, or neither.
    """
    mask = read_mask(annotation.get("segmentation"), height, width)
    point = read_point(annotation.get("point"), height, width)
    if mask is None and point is None and boxes_as_points:
        point = read_box_centre(annotation.get("bbox"), height, width)
    if mask is None and point is None:
        hint = '; a "bbox" alone will do in a weak file' if annotation.get("bbox") else ""
        raise ValueError(f'neither a "segmentation" nor a "point"{hint}')
    if mask is not None and masks.area(mask, height, width) == 0:
        raise ValueError("the mask is empty")
    return mask, point


def read_mask(segmentation: Any, height: int, width: int) -> bytes | None:
    """Counts of a COCO `segmentation` of any kind, None when there is none (or an empty list)."""
    if segmentation is None or segmentation == []:
        return None
    if isinstance(segmentation, list):
        return masks.from_polygons(segmentation, height, width)
    if not isinstance(segmentation, dict) or "counts" not in segmentation:
        raise ValueError(f"a segmentation is polygons or an RLE, found {segmentation!r:.40}")
    size = segmentation.get("size")
    if size != [height, width]:
        raise ValueError(
            f"the mask is made for [height, width] = {size!r:.40}, the image is {[height, width]}"
        )
    counts = segmentation["counts"]
    if isinstance(counts, list):
        return masks.from_uncompressed(counts, height, width)
    if not isinstance(counts, str | bytes):
        raise ValueError(f"the counts of an RLE are text or a list, found {counts!r:.40}")
    try:
        code = counts.encode("ascii") if isinstance(counts, str) else counts
    except UnicodeEncodeError as error:
        raise ValueError(f"not a compressed run-length code: {counts!r:.40}") from error
    return masks.checked(code, height, width)


def read_point(point: Any, height: int, width: int) -> Point | None:
    """A COCO `point` as (x, y), None when there is none.  Raises ValueError when it is off."""
    if point is None:
        return None
    is_pair = isinstance(point, list | tuple) and len(point) == 2
    if not is_pair or not all(isinstance(v, int | float) for v in point):
        raise ValueError(f"a point is [x, y] in pixels, found {point!r:.40}")
    x, y = float(point[0]), float(point[1])
    if not (0 <= x < width and 0 <= y < height):
        raise ValueError(f"the point ({x:g}, {y:g}) is outside the {width} x {height} picture")
    return x, y


def read_clicks(annotation: dict[str, Any], height: int, width: int) -> tuple[Click, ...]:
    """The further points of a COCO annotation, the positive ones first.

    Raises ValueError, naming the key, for what is no list, no point, or off the picture.
    """
    return tuple(
        read_click(key, point, height, width)
        for key in CLICK_KEYS
        for point in listed_points(annotation, key)
    )


def listed_points(annotation: dict[str, Any], key: str) -> Sequence[Any]:
    """What is listed under one of `CLICK_KEYS`.  Raises ValueError when that is no list."""
    points = annotation.get(key)
    if not isinstance(points, list | tuple | None):
        raise ValueError(f"`{key}` is a list of [x, y], found {points!r:.40}")
    return points or []


def read_click(key: str, point: Any, height: int, width: int) -> Click:
    """One of the points under one of `CLICK_KEYS`.  Raises ValueError, naming the key."""
    try:
        place = read_point(point, height, width)
    except ValueError as error:
        raise ValueError(f"`{key}`: {error}") from error
    if place is None:
        raise ValueError(f"`{key}`: a point is [x, y] in pixels, found null")
    return Click(*place, positive=CLICK_KEYS[key])


def read_box_centre(box: Any, height: int, width: int) -> Point | None:
    """The centre (x, y) of the part of a COCO `bbox` that is in the picture, None without a box.

    Raises ValueError for a box that is malformed, has no area, or lies outside.
    """
    if box is None or box == []:
        return None
    is_box = isinstance(box, list | tuple) and len(box) == 4
    if not is_box or not all(isinstance(v, int | float) and isfinite(v) for v in box):
        raise ValueError(f"a bbox is [x, y, width, height] in pixels, found {box!r:.60}")
    x, y, across, down = map(float, box)
    if across <= 0 or down <= 0:
        raise ValueError(f"the bbox is {across:g} wide and {down:g} high, both must be positive")
    left, right = max(x, 0.0), min(x + across, float(width))
    top, bottom = max(y, 0.0), min(y + down, float(height))
    if left >= right or top >= bottom:
        raise ValueError(f"the bbox {box!r:.60} is outside the {width} x {height} picture")
    return read_point([(left + right) / 2, (top + bottom) / 2], height, width)


def write_coco(
    records: Records,
    uri: str | UPath,
    *,
    images: str | UPath = "",
    info: dict[str, Any] | None = None,
) -> None:
    """Write records as a COCO instance file; file names become relative to `images`."""
    root = f"{images}".rstrip("/") + "/"
    pictures: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for record in records:
        name = record.file.removeprefix(root) if images else record.file
        pictures.append(coco_image(record) | {"file_name": name})
        annotations.extend(coco_annotations(record, records.categories))
    data = {
        "info": info or {},
        "images": pictures,
        "annotations": annotations,
        "categories": [{"id": entry.id, "name": entry.name} for entry in records.categories],
    }
    path = UPath(uri)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(data, separators=(",", ":")), encoding="utf-8")


def coco_image(record: Record) -> dict[str, Any]:
    """The entry of one picture as a COCO file has it."""
    return {
        "id": record.image_id,
        "file_name": record.file,
        "width": record.width,
        "height": record.height,
    }


def coco_annotations(record: Record, categories: Sequence[Category]) -> Iterable[dict[str, Any]]:
    """The annotations of one picture as a COCO file has them."""
    for obj in record.objects:
        entry: dict[str, Any] = {
            "id": obj.annotation_id,
            "image_id": record.image_id,
            "category_id": categories[obj.label].id,
            "iscrowd": int(obj.crowd),
        }
        if obj.point is not None:
            entry["point"] = list(obj.point)
        for key, positive in CLICK_KEYS.items():
            extra = [[x, y] for x, y, side in obj.clicks if side == positive]
            entry |= {key: extra} if extra else {}
        if obj.mask is not None:
            entry |= coco_mask(obj.mask, record.height, record.width)
        yield entry


def coco_mask(counts: bytes, height: int, width: int) -> dict[str, Any]:
    """`segmentation`, `bbox` ([x, y, w, h] in whole pixels) and `area` of a mask."""
    x0, y0, x1, y1 = masks.bounding_box(counts, height, width)
    return {
        "segmentation": {"size": [height, width], "counts": counts.decode("ascii")},
        "bbox": [x0, y0, x1 - x0, y1 - y0],
        "area": masks.area(counts, height, width),
    }


def picture_uri(images: str, file_name: str) -> str:
    """Where a picture is: absolute names and URIs as they are, others under `images`."""
    if not images or file_name.startswith("/") or "://" in file_name:
        return file_name
    return f"{images.rstrip('/')}/{file_name}" if images != "/" else f"/{file_name}"


def _categories(entries: list[dict[str, Any]]) -> list[Category]:
    categories: dict[int, Category] = {}
    for entry in entries:
        key = whole_number(entry, "id", "a category")
        if key in categories:
            raise ValueError(f"category {key}: the id occurs twice")
        categories[key] = Category(id=key, name=str(entry.get("name", key)))
    return sorted(categories.values(), key=lambda category: category.id)


def _empty_records(entries: list[dict[str, Any]], images: str) -> dict[int, Record]:
    """A record without objects for each image, by image id, in the order of the file."""
    records: dict[int, Record] = {}
    for entry in entries:
        key = whole_number(entry, "id", "an image")
        where = f"image {key}"
        if key in records:
            raise ValueError(f"{where}: the id occurs twice")
        if not isinstance(entry.get("file_name"), str) or not entry["file_name"]:
            raise ValueError(f"{where}: no file_name")
        width, height = whole_number(entry, "width", where), whole_number(entry, "height", where)
        if width < 1 or height < 1:
            raise ValueError(f"{where}: width {width} and height {height}, both must be positive")
        records[key] = Record(
            image_id=key,
            file=picture_uri(images, entry["file_name"]),
            width=width,
            height=height,
        )
    return records


def _read_object(
    annotation: Any,
    records: dict[int, Record],
    label_of: dict[int, int],
    seen: set[int],
    boxes_as_points: bool,
) -> tuple[Record, Object]:
    """The object of an annotation, after the record of its image.  Raises ValueError."""
    key = whole_number(annotation, "id", "an annotation")
    where = f"annotation {key}"
    if key in seen:
        raise ValueError(f"{where}: the id occurs twice")
    seen.add(key)
    record = records.get(whole_number(annotation, "image_id", where))
    if record is None:
        raise ValueError(f"{where}: there is no image {annotation['image_id']}")
    label = label_of.get(whole_number(annotation, "category_id", where))
    if label is None:
        raise ValueError(f"{where}: there is no category {annotation['category_id']}")
    try:
        mask, point = read_mask_and_point(
            annotation, record.height, record.width, boxes_as_points=boxes_as_points
        )
        clicks = read_clicks(annotation, record.height, record.width)
    except ValueError as error:
        raise ValueError(f"{where} (image {record.image_id}): {error}") from error
    return record, Object(
        annotation_id=key,
        label=label,
        mask=mask,
        point=point,
        crowd=bool(annotation.get("iscrowd", 0)),
        clicks=clicks,
    )


def _has_mask(annotation: Any) -> bool:
    return isinstance(annotation, dict) and bool(annotation.get("segmentation"))


def _rejection(annotation: Any, records: dict[int, Record], complaint: str) -> Rejected:
    """`complaint` without the name of the annotation that it begins with."""
    numbers: dict[str, int | None] = {}
    for key in ("image_id", "id"):
        try:
            numbers[key] = whole_number(annotation, key, "")
        except ValueError:
            numbers[key] = None
    return Rejected(
        image_id=numbers["image_id"] if numbers["image_id"] in records else None,
        annotation_id=numbers["id"],
        reason=complaint.partition(": ")[2],
    )


def whole_number(entry: Any, key: str, where: str) -> int:
    """A whole number of a JSON entry.  Raises ValueError when it is missing or something else."""
    if not isinstance(entry, dict):
        raise ValueError(f"{where}: a JSON object wanted, found {entry!r:.40}")
    value = entry.get(key)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        found = "missing" if value is None else f"{value!r:.40}"
        raise ValueError(f"{where}: `{key}` is {found}, a whole number is wanted")
    if not -(2**63) <= value < 2**63:
        raise ValueError(f"{where}: `{key}` is {value!r:.40}, at most 64 bits with sign are wanted")
    return value
