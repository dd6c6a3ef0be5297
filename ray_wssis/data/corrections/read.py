"""Masks that a person corrected, back from the annotation tool.

Corrections come as COCO files.  An annotation in such a file is about the object with the same id:
its class and its mask win.  One with `"deleted": true` says that there is no such object, and one
with a new id adds an object.  Of two corrections of an object the later one counts, files in the
order in which they are given.

Tools also write back what nobody touched: an annotation whose class and mask the object already has
corrects nothing, unless it says `"corrected": true`.

A mask that a person drew is an object, whatever `iscrowd` says, because tools write 1 for every
mask that is no outline; with `"corrected": true` as well, 1 is a person's word.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from upath import UPath

from ray_wssis import masks
from ray_wssis.data.coco.fields import read_crowd, read_mask, read_truth, whole_number
from ray_wssis.data.coco.file import load_json
from ray_wssis.data.images.names import same_image
from ray_wssis.data.records import Category, Record, Records

CORRECTED = "corrected"  # key of an annotation
DELETED = "deleted"


@dataclass(frozen=True, kw_only=True)
class Correction:
    """A person's word about one object."""

    image_id: int
    label: int  # 0..C-1, the place of the category among the sorted ids
    mask: bytes | None  # run-length counts; None: there is no such object
    crowd: bool
    confirmed: bool  # counts also where it changes nothing
    is_object: bool = False  # `iscrowd` is written, and 0

    @property
    def deleted(self) -> bool:
        return self.mask is None

    def corrects(self, label: int, mask: bytes | None, crowd: bool = False) -> bool:
        """Tell whether this says anything new about an object with this class and mask, or about
        such a crowd region.
        """
        is_freed = crowd and self.is_object
        return self.confirmed or is_freed or (label, mask) != (self.label, self.mask)


@dataclass(frozen=True, kw_only=True)
class Base:
    """The data that corrections are about; images and objects without any may be left out."""

    name: str  # for messages
    images: Mapping[int, Record]  # by image id
    image_of: Mapping[int, int]  # image id by annotation id
    categories: tuple[Category, ...]

    def label_of(self, where: str, entry: dict[str, Any]) -> int:
        """Return the label of an annotation.  Raises ValueError for an unknown category."""
        number = whole_number(entry, "category_id", where)
        for label, category in enumerate(self.categories):
            if category.id == number:
                return label
        known = ", ".join(str(category.id) for category in self.categories[:12])
        raise ValueError(
            f"{where}: there is no category {number} in {self.name}, known are {known}"
        )


def read_corrections(
    files: Sequence[str | UPath], weak: Records
) -> dict[int, dict[int, Correction]]:
    """Read corrections of the weak images' masks by image id and annotation id.

    Ids, classes and sizes are those of `weak`.  A new annotation id is an object that nobody
    pointed at.  Raises ValueError, naming file and annotation, for an image that is not in `weak`
    or has another name there, for the id of an object in another image, an unknown category, and a
    mask that is missing, malformed, empty or of the wrong size.
    """
    loaded = {str(file): load_json(file) for file in files}
    places = pc.indices_nonzero(pc.is_in(weak.table["image_id"], _numbers(loaded, "image_id")))
    base = Base(
        name="the weak images",
        images={record.image_id: record for record in weak.select(places.to_pylist())},
        image_of=_image_of(_numbers(loaded, "id"), weak),
        categories=weak.categories,
    )
    corrections: dict[int, dict[int, Correction]] = {}
    for number, (_, correction) in last_corrections(loaded, base).items():
        if not correction.deleted or number in base.image_of:
            corrections.setdefault(correction.image_id, {})[number] = correction
    return corrections


def last_corrections(
    loaded: Mapping[str, dict[str, Any]], base: Base
) -> dict[int, tuple[dict[str, Any], Correction]]:
    """Find the last correction of each annotation id, and its entry in the file.

    `loaded` are parsed COCO files by name.  Raises ValueError as `read_corrections`.
    """
    found: dict[int, tuple[dict[str, Any], Correction]] = {}
    image_of = dict(base.image_of)  # and of added objects
    for file, data in loaded.items():
        try:
            _check_lists(data, base)
            for number, entry in numbered(data["annotations"], "annotation"):
                where = f"annotation {number}"
                correction = _read_correction(number, where, entry, image_of, base)
                image_of[number] = correction.image_id
                found[number] = entry, correction
        except ValueError as error:
            raise ValueError(f"{file}: {error}") from error
    return found


def numbered(
    entries: Iterable[dict[str, Any]], singular: str
) -> Iterable[tuple[int, dict[str, Any]]]:
    """Yield the entries of a COCO list with their ids.  Raises ValueError for a repeated id."""
    seen: set[int] = set()
    for entry in entries:
        number = whole_number(entry, "id", f"a COCO {singular}")
        if number in seen:
            raise ValueError(f"{singular} {number}: the id occurs twice")
        seen.add(number)
        yield number, entry


def _read_correction(
    number: int, where: str, entry: dict[str, Any], image_of: Mapping[int, int], base: Base
) -> Correction:
    image_id = whole_number(entry, "image_id", where)
    if image_of.get(number, image_id) != image_id:
        raise ValueError(
            f"{where}: found in image {image_id}, but the object with this id is in image "
            f"{image_of[number]}; corrections keep the ids, a new object takes a free one"
        )
    image = base.images.get(image_id)
    if image is None:
        raise ValueError(f"{where}: there is no image {image_id} in {base.name}")
    where = f"{where} (image {image_id})"
    try:
        deleted, confirmed = read_truth(entry, DELETED), read_truth(entry, CORRECTED)
        crowd = read_crowd(entry)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error
    return Correction(
        image_id=image_id,
        label=-1 if deleted else base.label_of(where, entry),
        mask=None if deleted else _read_mask(where, entry, image),
        crowd=crowd and confirmed,
        confirmed=deleted or confirmed,
        is_object=not crowd and entry.get("iscrowd") is not None,
    )


def _read_mask(where: str, entry: dict[str, Any], image: Record) -> bytes:
    try:
        mask = read_mask(entry.get("segmentation"), image.height, image.width)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error
    if mask is None:
        raise ValueError(f'{where}: no segmentation; give a mask, or "{DELETED}": true')
    if masks.area(mask, image.height, image.width) == 0:
        raise ValueError(f'{where}: the mask is empty; draw one, or say "{DELETED}": true')
    return mask


def _check_lists(data: dict[str, Any], base: Base) -> None:
    """Check that names agree: a tool that renumbers would put masks onto other objects."""
    names = {category.id: category.name for category in base.categories}
    for number, entry in numbered(data["categories"], "category"):
        name = entry.get("name", names.get(number))
        if names.get(number, name) != name:
            raise ValueError(
                f"category {number} is {name!r:.40}, in {base.name} it is {names[number]!r}; "
                f"corrections keep the ids"
            )
    for number, entry in numbered(data["images"], "image"):
        image = base.images.get(number)
        if image is not None:
            _check_image(f"image {number}", entry, image, base)


def _check_image(where: str, entry: dict[str, Any], image: Record, base: Base) -> None:
    file = str(entry.get("file_name", image.file))
    if not same_image(file, image.file):  # tools keep the name, not the folder
        raise ValueError(
            f"{where} is {file}, in {base.name} it is {image.file}; corrections keep the ids"
        )
    size = tuple(
        whole_number(entry, side, where) if side in entry else known
        for side, known in (("width", image.width), ("height", image.height))
    )
    if size != (image.width, image.height):
        raise ValueError(
            f"{where} is {size[0]} x {size[1]} pixels, in {base.name} it is "
            f"{image.width} x {image.height}; draw on the image as it is"
        )


def _numbers(loaded: Mapping[str, dict[str, Any]], key: str) -> pa.Array:
    """Collect the ids under `key` of all annotations."""
    numbers = [
        whole_number(entry, key, f"{file}: an annotation")
        for file, data in loaded.items()
        for entry in data["annotations"]
    ]
    return pa.array(numbers, type=pa.int64())


def _image_of(numbers: pa.Array, records: Records) -> dict[int, int]:
    """Find the image ids of those annotation ids that are in the records, possibly millions."""
    lists = records.table["annotation_id"].combine_chunks()
    flat = pc.list_flatten(lists)
    places = pc.indices_nonzero(pc.is_in(flat, numbers))
    rows = pc.list_parent_indices(lists).take(places)
    images = records.table["image_id"].combine_chunks().take(rows)
    return dict(zip(flat.take(places).to_pylist(), images.to_pylist(), strict=True))
