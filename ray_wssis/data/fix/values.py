"""Remedies for single values of a COCO file; each changes the data and says what it did."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ray_wssis.data.coco.fields import CLICK_KEYS, read_crowd
from ray_wssis.data.coco.file import LISTS
from ray_wssis.data.coco.images import image_name, missing_sizes
from ray_wssis.data.coco.outlines import as_polygons
from ray_wssis.data.images.read import ImageError
from ray_wssis.data.images.sizes import SIDES, lacks_size, written_size

NUMBERS = ("id", "image_id", "category_id", "width", "height", "area", "num_keypoints")
PLACES = ("bbox", "point", "keypoints", *CLICK_KEYS)
PARENTS = {"annotations": "image_id"}  # key of mappings from ids to lists


@dataclass(frozen=True, kw_only=True)
class Fix:
    """A cause, how often it was found, and what was done."""

    cause: str
    number: int
    done: str
    example: str = ""


def fix_lists(data: dict[str, Any]) -> list[Fix]:
    """Turn mappings by id in place of `images`, `annotations` and `categories` into lists.

    Categories that are only names are numbered from 1.
    """
    fixes = []
    for plural in LISTS:
        mapping = data.get(plural)
        if isinstance(mapping, dict):
            data[plural] = list(_listed(mapping, PARENTS.get(plural)))
            cause = f"`{plural}` is a mapping"
            fixes.append(Fix(cause=cause, number=len(mapping), done="made a list"))
    names = data.get("categories")
    if isinstance(names, list) and names and all(isinstance(name, str) for name in names):
        data["categories"] = [{"id": i + 1, "name": name} for i, name in enumerate(names)]
        done = "numbered from 1; look whether the classes are right"
        fixes.append(Fix(cause="categories that are only names", number=len(names), done=done))
    return fixes


def fix_numbers(data: dict[str, Any]) -> list[Fix]:
    """Turn numbers that are text into numbers, also in boxes and points."""
    num_changed, example = 0, ""
    for plural, entry in _entries(data):
        for key in (*NUMBERS, *PLACES):
            value = entry.get(key)
            number = _number(value) if key in NUMBERS else _numbers(value)
            if number is not value:
                entry[key] = number
                num_changed += 1
                example = example or f"{key} {value!r:.30} in {plural}"
    return _fix("numbers as text", num_changed, "made numbers", example)


def fix_crowds(data: dict[str, Any]) -> list[Fix]:
    """Write `iscrowd` as 0 or 1; what cannot be understood stays."""
    num_changed, example = 0, ""
    for plural, entry in _entries(data):
        if plural != "annotations" or "iscrowd" not in entry:
            continue
        value = entry["iscrowd"]
        try:
            crowd = int(read_crowd(entry))
        except ValueError:
            continue
        if type(value) is not int:
            entry["iscrowd"] = crowd
            num_changed += 1
            example = example or repr(value)
    return _fix("`iscrowd` that is no number", num_changed, "made 0 or 1", example)


def fix_outlines(data: dict[str, Any]) -> list[Fix]:
    """Write outlines as flat lists; a single corner, which is a point, stays."""
    num_changed, example = 0, ""
    for plural, entry in _entries(data):
        old = entry.get("segmentation")
        if plural != "annotations" or not isinstance(old, list):
            continue
        polygons = as_polygons(old)
        if polygons is not None and polygons != old and len(polygons[0]) > 2:
            entry["segmentation"] = polygons
            num_changed += 1
            example = example or f"{old!r:.40}"
    done = "written as [[x, y, x, y, ...], ...]"
    return _fix("outlines in another form", num_changed, done, example)


def fix_names(data: dict[str, Any]) -> list[Fix]:
    """Take missing file names from `coco_url`."""
    num_changed, example = 0, ""
    for plural, entry in _entries(data):
        if plural == "images" and not entry.get("file_name") and (name := image_name(entry)):
            entry["file_name"] = name
            num_changed += 1
            example = example or name
    return _fix("no `file_name`", num_changed, "taken from `coco_url`", example)


def fix_sizes(data: dict[str, Any], folder: str | None) -> list[Fix]:
    """Read missing sizes from the images in `folder`, if it is given."""
    lacking = [entry for entry in data["images"] if lacks_size(entry) and image_name(entry)]
    if not lacking or folder is None:
        return []
    example = written_size(lacking[0])
    num_changed = 0
    for i, size in missing_sizes(lacking, folder).items():
        if not isinstance(size, ImageError):
            lacking[i] |= dict(zip(reversed(SIDES), size, strict=True))
            num_changed += 1
    return _fix("images without size", num_changed, "read from the images", example)


def _fix(cause: str, number: int, done: str, example: str) -> list[Fix]:
    return [Fix(cause=cause, number=number, done=done, example=example)] if number else []


def _entries(data: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the entries of all lists with the names of the lists."""
    for plural in LISTS:
        for entry in data[plural]:
            if isinstance(entry, dict):
                yield plural, entry


def _listed(mapping: dict[str, Any], parent: str | None) -> Iterator[Any]:
    """Yield the entries of a mapping by id, of one from ids of the parent to lists, or of names."""
    for key, value in mapping.items():
        if isinstance(value, list) and parent is not None:
            yield from ({parent: key} | entry for entry in value if isinstance(entry, dict))
        elif isinstance(value, dict):
            yield {"id": key} | value
        elif isinstance(value, str):  # a name by its id
            yield {"id": key, "name": value}
        else:  # an id by its name
            yield {"id": value, "name": key}


def _number(value: Any) -> Any:
    """Return the number in a text; anything else as it is."""
    if not isinstance(value, str):
        return value
    try:
        number = float(value)
    except ValueError:
        return value
    return int(number) if number.is_integer() and abs(number) < 2**53 else number


def _numbers(values: Any) -> Any:
    """Return a list with the numbers in its texts; the list itself where there are none."""
    if not isinstance(values, list):
        return values
    numbers = [_numbers(value) if isinstance(value, list) else _number(value) for value in values]
    return values if all(a is b for a, b in zip(values, numbers, strict=True)) else numbers
