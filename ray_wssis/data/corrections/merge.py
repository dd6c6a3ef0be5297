"""Corrections merged into a COCO file, of which everything else is kept."""

import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from upath import UPath

from ray_wssis.data.coco.fields import read_crowd, read_mask, read_point, whole_number
from ray_wssis.data.coco.file import load_json
from ray_wssis.data.coco.read import records_from_coco
from ray_wssis.data.coco.write import coco_mask, compact
from ray_wssis.data.corrections.places import Known, Places
from ray_wssis.data.corrections.read import CORRECTED, Base, Correction, last_corrections, numbered
from ray_wssis.data.records import Record
from ray_wssis.storage import write_atomically

logger = logging.getLogger(__name__)

# Keys that do not hold for masks that a person drew; `alarms` is the old name of `flags`.
ABOUT_PSEUDO_MASKS = ("expected_iou", "flags", "alarms", "pseudo")


class Merged(NamedTuple):
    """Result of `merge_corrections` in numbers of annotations."""

    corrected: int
    added: int
    deleted: int
    unchanged: int
    refused: int = 0  # corrections that lie on other objects than their ids say


def merge_corrections(base: str | UPath, files: Sequence[str | UPath], out: str | UPath) -> Merged:
    """Write the COCO file `base` to `out` with the corrections of `files` in it.

    Whatever a correction does not mention keeps its value and its place, unknown keys included.
    Corrected and added annotations say `"corrected": true`, have a compressed mask with box and
    area, and nothing of what held for the pseudo mask.  Raises ValueError as `read_corrections`,
    and when `out` exists.  Corrections in the place of another object are not taken; a warning
    names them.
    """
    if UPath(out).exists():
        raise ValueError(f"{out} already exists and is not replaced; choose another file to write")
    data = load_json(base)
    known = _base_of(data, str(base))
    left = last_corrections({str(file): load_json(file) for file in files}, known)
    places = _places(data["annotations"], left, known)
    left = {number: each for number, each in left.items() if number not in places.refused}
    for sentence in places.sentences():
        logger.warning(sentence)
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
    write_atomically(path, compact(data).encode())
    unknown = [number for number, (_, correction) in left.items() if correction.deleted]
    if unknown:
        logger.warning(
            "%d annotations to delete are not in %s: annotation %d; corrections keep the ids",
            len(unknown),
            base,
            unknown[0],
        )
    return Merged(num_corrected, len(added), num_deleted, unchanged, len(places.refused))


def _places(
    annotations: Sequence[dict[str, Any]],
    corrections: Mapping[int, tuple[dict[str, Any], Correction]],
    base: Base,
) -> Places:
    """Compare the corrections with the annotations of their images."""
    by_image: dict[int, dict[int, Correction]] = defaultdict(dict)
    for number, (_, correction) in corrections.items():
        by_image[correction.image_id][number] = correction
    objects: dict[int, dict[int, Known]] = defaultdict(dict)
    for entry in annotations:
        number = whole_number(entry, "id", "an annotation")
        image = base.images.get(base.image_of[number])
        if image is not None and image.image_id in by_image:
            objects[image.image_id][number] = _known(entry, image, base)
    places = Places()
    for image_id, inside in by_image.items():
        image = base.images[image_id]
        places.look(inside, objects[image_id], image.height, image.width)
    return places


def _known(entry: dict[str, Any], image: Record, base: Base) -> Known:
    """Read class and mask of an annotation, as far as they can be read."""
    try:
        mask = read_mask(entry.get("segmentation"), image.height, image.width)
        point = read_point(entry.get("point"), image.height, image.width)
        return Known(base.label_of("", entry), mask, point)
    except ValueError:
        return Known(-1, None)


def _base_of(data: dict[str, Any], name: str) -> Base:
    """Take a COCO file as the base; of its annotations only the ids are read."""
    try:
        images = records_from_coco(data | {"annotations": []}, images="")
        image_of = {
            number: whole_number(entry, "image_id", f"annotation {number}")
            for number, entry in numbered(data["annotations"], "annotation")
        }
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error
    return Base(
        name=name,
        images={record.image_id: record for record in images},
        image_of=image_of,
        categories=images.categories,
    )


def _corrects(correction: Correction, old: dict[str, Any], base: Base) -> bool:
    """Tell whether the annotation `old` has another class or mask, or one that cannot be read.

    A pseudo mask that is a crowd region was made one because it is poor: being an object in the
    file of a tool says nothing new about it.
    """
    image = base.images[correction.image_id]
    try:
        label = base.label_of("", old)
        mask = read_mask(old.get("segmentation"), image.height, image.width)
        crowd = read_crowd(old) and "pseudo" not in old
    except ValueError:
        return True
    return correction.corrects(label, mask, crowd)


def _drawn(entry: dict[str, Any], correction: Correction, base: Base) -> dict[str, Any]:
    """Return an annotation with the class and the mask of its correction."""
    image = base.images[correction.image_id]
    assert correction.mask is not None
    kept = {key: value for key, value in entry.items() if key not in ABOUT_PSEUDO_MASKS}
    return (
        kept
        | {"category_id": base.categories[correction.label].id, "iscrowd": int(correction.crowd)}
        | coco_mask(correction.mask, image.height, image.width)
        | {CORRECTED: True}
    )
