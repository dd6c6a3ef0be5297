"""Masks that a person mended, back from the annotation tool.

Corrections come as COCO files.  An annotation in there is about the object with the same id: its
class and its mask win.  One with `"deleted": true` says that there is no such object, and one with
a new id adds an object.  Of two corrections of an object the later one counts, files in the order
in which they are given.

Tools write back what nobody touched, too: an annotation with the class and the very mask that the
object has already corrects nothing, unless it says `"corrected": true`.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
from upath import UPath

from ray_wssis import masks
from ray_wssis.data.coco import load_json, records_from_coco
from ray_wssis.data.coco_fields import read_mask, whole_number
from ray_wssis.data.coco_writer import coco_mask
from ray_wssis.data.records import Category, Record, Records
from ray_wssis.storage import write_atomically

CORRECTED = "corrected"  # key of an annotation
DELETED = "deleted"
ABOUT_PSEUDO_MASKS = ("expected_iou", "flags", "pseudo")  # keys that do not hold for drawn masks


@dataclass(frozen=True, kw_only=True)
class Correction:
    """What a person says about one object."""

    image_id: int
    label: int  # 0..C-1, the place of the category among the sorted ids
    mask: bytes | None  # run-length counts; None: there is no such object
    crowd: bool
    confirmed: bool  # counts also where it changes nothing

    @property
    def deleted(self) -> bool:
        return self.mask is None

    def corrects(self, label: int, mask: bytes | None) -> bool:
        """Whether it says anything new about an object with this class and mask."""
        return self.confirmed or (label, mask) != (self.label, self.mask)


class Merged(NamedTuple):
    """What `merge_corrections` did, in numbers of annotations."""

    corrected: int
    added: int
    deleted: int
    unchanged: int


@dataclass(frozen=True, kw_only=True)
class _Base:
    """What corrections are checked against; only what they are about need be in it."""

    name: str  # for messages
    pictures: Mapping[int, Record]  # by image id
    image_of: Mapping[int, int]  # image id by annotation id
    categories: tuple[Category, ...]


def read_corrections(
    files: Sequence[str | UPath], weak: Records
) -> dict[int, dict[int, Correction]]:
    """Corrections of the weak pictures' masks by image id and annotation id.

    Ids, classes and sizes are those of `weak`.  A new annotation id is an object that nobody
    pointed at.  Raises ValueError, naming file and annotation, for a picture that is not in `weak`
    or goes by another name there, for the id of an object in another picture, an unknown category,
    and a mask that is missing, malformed, empty or of the wrong size.
    """
    loaded = {str(file): load_json(file) for file in files}
    places = pc.indices_nonzero(pc.is_in(weak.table["image_id"], _numbers(loaded, "image_id")))
    base = _Base(
        name="the weak pictures",
        pictures={record.image_id: record for record in weak.select(places.to_pylist())},
        image_of=_image_of(_numbers(loaded, "id"), weak),
        categories=weak.categories,
    )
    corrections: dict[int, dict[int, Correction]] = {}
    for number, (_, correction) in _read(loaded, base).items():
        if not correction.deleted or number in base.image_of:
            corrections.setdefault(correction.image_id, {})[number] = correction
    return corrections


def merge_corrections(base: str | UPath, files: Sequence[str | UPath], out: str | UPath) -> Merged:
    """Write the COCO file `base` to `out` with the corrections of `files` in it.

    Whatever a correction does not speak of keeps its value and its place, keys that we do not know
    included.  Corrected and added annotations say `"corrected": true`, have a compressed mask with
    box and area, and nothing of what held for the pseudo mask.  Raises ValueError as
    `read_corrections`, and when `out` exists.
    """
    if UPath(out).exists():
        raise ValueError(f"{out}: is there already; name a file that is not, nothing is replaced")
    data = load_json(base)
    known = _base_of(data, str(base))
    left = _read({str(file): load_json(file) for file in files}, known)
    annotations: list[dict[str, Any]] = []
    num_corrected = num_deleted = 0
    for old in data["annotations"]:
        entry, correction = left.pop(whole_number(old, "id", "an annotation"), (None, None))
        if entry is None or correction is None or not _corrects(correction, old, known):
            annotations.append(old)
        elif correction.deleted:
            num_deleted += 1
        else:
            annotations.append(_drawn(old, correction, known))
            num_corrected += 1
    unchanged = len(annotations) - num_corrected
    added = [_drawn(entry, new, known) for entry, new in left.values() if not new.deleted]
    data["annotations"] = annotations + added
    path = UPath(out)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, json.dumps(data, separators=(",", ":")).encode())
    return Merged(num_corrected, len(added), num_deleted, unchanged)


def _read(
    loaded: Mapping[str, dict[str, Any]], base: _Base
) -> dict[int, tuple[dict[str, Any], Correction]]:
    """The last correction of each annotation id, beside its entry in the file."""
    found: dict[int, tuple[dict[str, Any], Correction]] = {}
    image_of = dict(base.image_of)  # and of added objects
    for file, data in loaded.items():
        try:
            _check_lists(data, base)
            for number, entry in _numbered(data["annotations"], "annotation"):
                where = f"annotation {number}"
                correction = _read_correction(number, where, entry, image_of, base)
                image_of[number] = correction.image_id
                found[number] = entry, correction
        except ValueError as error:
            raise ValueError(f"{file}: {error}") from error
    return found


def _read_correction(
    number: int, where: str, entry: dict[str, Any], image_of: Mapping[int, int], base: _Base
) -> Correction:
    image_id = whole_number(entry, "image_id", where)
    if image_of.get(number, image_id) != image_id:
        raise ValueError(
            f"{where}: found in image {image_id}, but the object with this id is in image "
            f"{image_of[number]}; corrections keep the ids, a new object takes a free one"
        )
    picture = base.pictures.get(image_id)
    if picture is None:
        raise ValueError(f"{where}: there is no image {image_id} in {base.name}")
    where = f"{where} (image {image_id})"
    deleted = entry.get(DELETED, 0) == 1
    return Correction(
        image_id=image_id,
        label=-1 if deleted else _read_label(where, entry, base),
        mask=None if deleted else _read_mask(where, entry, picture),
        crowd=entry.get("iscrowd", 0) == 1,
        confirmed=deleted or entry.get(CORRECTED, 0) == 1,
    )


def _read_label(where: str, entry: dict[str, Any], base: _Base) -> int:
    number = whole_number(entry, "category_id", where)
    for label, category in enumerate(base.categories):
        if category.id == number:
            return label
    known = ", ".join(str(category.id) for category in base.categories[:12])
    raise ValueError(f"{where}: there is no category {number} in {base.name}, known are {known}")


def _read_mask(where: str, entry: dict[str, Any], picture: Record) -> bytes:
    try:
        mask = read_mask(entry.get("segmentation"), picture.height, picture.width)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error
    if mask is None:
        raise ValueError(f'{where}: no segmentation; give a mask, or "{DELETED}": true')
    if masks.area(mask, picture.height, picture.width) == 0:
        raise ValueError(f'{where}: the mask is empty; draw one, or say "{DELETED}": true')
    return mask


def _check_lists(data: dict[str, Any], base: _Base) -> None:
    """Tools that number anew would have masks put onto other objects: names must agree."""
    names = {category.id: category.name for category in base.categories}
    for number, entry in _numbered(data["categories"], "category"):
        name = entry.get("name", names.get(number))
        if names.get(number, name) != name:
            raise ValueError(
                f"category {number} is {name!r:.40}, in {base.name} it is {names[number]!r}; "
                f"corrections keep the ids"
            )
    for number, entry in _numbered(data["images"], "image"):
        picture = base.pictures.get(number)
        if picture is not None:
            _check_picture(f"image {number}", entry, picture, base)


def _check_picture(where: str, entry: dict[str, Any], picture: Record, base: _Base) -> None:
    file = str(entry.get("file_name", picture.file))
    if PurePath(file).name != PurePath(picture.file).name:  # tools keep the name, not the folder
        raise ValueError(
            f"{where} is {file}, in {base.name} it is {picture.file}; corrections keep the ids"
        )
    size = entry.get("width", picture.width), entry.get("height", picture.height)
    if size != (picture.width, picture.height):
        raise ValueError(
            f"{where} is {size[0]} x {size[1]} pixels, in {base.name} it is "
            f"{picture.width} x {picture.height}; draw on the picture as it is"
        )


def _numbered(
    entries: Iterable[dict[str, Any]], singular: str
) -> Iterable[tuple[int, dict[str, Any]]]:
    """Entries of a COCO list with their ids.  Raises ValueError for an id that occurs twice."""
    seen: set[int] = set()
    for entry in entries:
        number = whole_number(entry, "id", f"a COCO {singular}")
        if number in seen:
            raise ValueError(f"{singular} {number}: the id occurs twice")
        seen.add(number)
        yield number, entry


def _base_of(data: dict[str, Any], name: str) -> _Base:
    """A whole COCO file; its annotations need nothing but their ids."""
    try:
        pictures = records_from_coco(data | {"annotations": []}, images="")
        image_of = {
            number: whole_number(entry, "image_id", f"annotation {number}")
            for number, entry in _numbered(data["annotations"], "annotation")
        }
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error
    return _Base(
        name=name,
        pictures={record.image_id: record for record in pictures},
        image_of=image_of,
        categories=pictures.categories,
    )


def _numbers(loaded: Mapping[str, dict[str, Any]], key: str) -> pa.Array:
    """The ids under `key` of all annotations."""
    numbers = [
        whole_number(entry, key, f"{file}: an annotation")
        for file, data in loaded.items()
        for entry in data["annotations"]
    ]
    return pa.array(numbers, type=pa.int64())


def _image_of(numbers: pa.Array, records: Records) -> dict[int, int]:
    """Image ids of those annotation ids that are in the records, which may be many millions."""
    lists = records.table["annotation_id"].combine_chunks()
    flat = pc.list_flatten(lists)
    places = pc.indices_nonzero(pc.is_in(flat, numbers))
    rows = pc.list_parent_indices(lists).take(places)
    images = records.table["image_id"].combine_chunks().take(rows)
    return dict(zip(flat.take(places).to_pylist(), images.to_pylist(), strict=True))


def _corrects(correction: Correction, old: dict[str, Any], base: _Base) -> bool:
    """Whether the annotation `old` has another class or mask; what cannot be read is another."""
    picture = base.pictures[correction.image_id]
    try:
        label = _read_label("", old, base)
        mask = read_mask(old.get("segmentation"), picture.height, picture.width)
    except ValueError:
        return True
    return correction.corrects(label, mask)


def _drawn(entry: dict[str, Any], correction: Correction, base: _Base) -> dict[str, Any]:
    """An annotation with the class and the mask of its correction."""
    picture = base.pictures[correction.image_id]
    assert correction.mask is not None
    kept = {key: value for key, value in entry.items() if key not in ABOUT_PSEUDO_MASKS}
    return (
        kept
        | {"category_id": base.categories[correction.label].id, "iscrowd": int(correction.crowd)}
        | coco_mask(correction.mask, picture.height, picture.width)
        | {CORRECTED: True}
    )
