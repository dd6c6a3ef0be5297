"""Class maps painted from the instance masks of a COCO file, small objects over large ones.

Pixels of no object are background, label 0, which is put before the classes of the file.  Crowd
regions and what nobody looked at are unknown.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np

from ray_wssis import masks
from ray_wssis.data.annotated import labelled, unseen
from ray_wssis.data.class_maps.png import MOST_CLASSES, UNKNOWN, ClassMap, encode, present
from ray_wssis.data.class_maps.tags import BACKGROUND
from ray_wssis.data.coco.read import read_coco
from ray_wssis.data.records import Category, Record, Records, named
from ray_wssis.data.renumber import id_offset, renumbered
from ray_wssis.storage import Place, locate


def read_painted(annotations: str, images: Place, others: Iterable[str] = ()) -> Records:
    """Read a COCO file into records with class maps, and the other images of more such files.

    See `painted`.  Raises ValueError, naming the file, for what cannot be understood, and for a
    file with other classes than the first one.
    """
    records = _read(annotations, images)
    for file in others:
        records = _joined(records, _read(file, images), annotations, file)
    return painted(records)


def _read(annotations: str, images: Place) -> Records:
    folder = locate(images) if images else ""
    records = read_coco(annotations, folder, boxes_as_points=True, point_suffices=True)
    if len(records.categories) >= MOST_CLASSES:
        raise ValueError(
            f"{annotations}: {len(records.categories)} classes; a class map holds at most "
            f"{MOST_CLASSES - 1} and the background"
        )
    tagged = {record.image_id for record in records if record.tags is not None}
    return labelled(records, annotations, tagged)


def _joined(records: Records, added: Records, first: str, file: str) -> Records:
    """Append the images of `file` that are not among the records yet."""
    if added.categories != records.categories:
        raise ValueError(
            f"{file} has {named(added.categories)}, and {first} has {named(records.categories)}: "
            "both need the same ids and names"
        )
    known = {record.file for record in records}
    new = [place for place, record in enumerate(added) if record.file not in known]
    others = added.select(new)
    others = renumbered(others, id_offset(others, records))
    return Records.from_rows([*records, *others], records.categories)


def painted(records: Records) -> Records:
    """Turn objects into class maps.

    Tags are those of the image where it has some; otherwise the classes of its objects and of its
    crowd regions, and background.  An image with an object without a mask gets no map, and neither
    does one with tags of classes and without any object, which nobody has drawn yet.
    """
    lowest = min((category.id for category in records.categories), default=1)
    background = Category(id=min(0, lowest - 1), name=BACKGROUND)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return Records.from_rows(pool.map(_painted, records), [background, *records.categories])


def _painted(record: Record) -> Record:
    """Paint an image; labels of objects become higher by one."""
    given = None if record.tags is None else (0, *(label + 1 for label in record.tags))
    is_tagged = bool(record.tags) and not record.objects
    if is_tagged or any(obj.mask is None for obj in record.objects):
        tags = tuple(sorted({0, *(obj.label + 1 for obj in record.objects)}))
        return replace(record, objects=(), tags=given or tags)
    class_map = paint(record, {obj.label: obj.label + 1 for obj in record.objects}, 0)
    crowds = {obj.label + 1 for obj in record.objects if obj.crowd}
    tags = tuple(sorted({0, *present(class_map), *crowds}))
    return replace(record, objects=(), class_map=encode(class_map), tags=given or tags)


def paint(record: Record, labels: Mapping[int, int], ground: int) -> ClassMap:
    """Paint the masks of an image [H, W] over `ground`, each with one of the `labels`.

    Crowd regions and what nobody looked at are unknown.
    """
    height, width = record.height, record.width
    class_map = np.full((height, width), ground, np.uint8)
    for counts, label in _layers(record, labels):
        class_map[masks.decode(counts, height, width)] = label
    return class_map


def _layers(record: Record, labels: Mapping[int, int]) -> Iterator[tuple[bytes, int]]:
    """Yield masks and their labels, from the lowest one to the uppermost."""
    objects = [(obj, obj.mask) for obj in record.objects if obj.mask is not None]
    yield from ((mask, UNKNOWN) for obj, mask in objects if obj.crowd)
    ranked = sorted(
        ((mask, labels[obj.label]) for obj, mask in objects if not obj.crowd),
        key=lambda layer: masks.area(layer[0], record.height, record.width),
        reverse=True,
    )
    yield from ranked
    if (rest := unseen(record)) is not None:
        yield rest, UNKNOWN
