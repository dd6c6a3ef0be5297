"""Class maps painted from the instance masks of a COCO file, small objects over large ones.

Pixels of no object are background, label 0, which is put before the classes of the file.  Crowd
regions and what nobody looked at are unknown.
"""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np

from ray_wssis import masks
from ray_wssis.data.annotated import labelled, unseen
from ray_wssis.data.class_maps.png import MOST_CLASSES, UNKNOWN, encode, present
from ray_wssis.data.class_maps.tags import BACKGROUND
from ray_wssis.data.coco.read import read_coco
from ray_wssis.data.records import Category, Record, Records
from ray_wssis.storage import Place, locate


def read_painted(annotations: str, images: Place) -> Records:
    """Read a COCO file into records with class maps; see `painted`.

    Raises ValueError, naming the file, for what cannot be understood.
    """
    records = read_coco(annotations, locate(images), boxes_as_points=True, point_suffices=True)
    if len(records.categories) >= MOST_CLASSES:
        raise ValueError(
            f"{annotations}: {len(records.categories)} classes; a class map holds at most "
            f"{MOST_CLASSES - 1} and the background"
        )
    return painted(labelled(records, annotations))


def painted(records: Records) -> Records:
    """Turn objects into class maps.

    Tags are those of the image where it has some; otherwise the classes of its objects and of its
    crowd regions, and background.  An image with an object without a mask gets no map.
    """
    lowest = min((category.id for category in records.categories), default=1)
    background = Category(id=min(0, lowest - 1), name=BACKGROUND)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return Records.from_rows(pool.map(_paint, records), [background, *records.categories])


def _paint(record: Record) -> Record:
    """Paint an image; labels of objects become higher by one."""
    given = None if record.tags is None else (0, *(label + 1 for label in record.tags))
    if any(obj.mask is None for obj in record.objects):
        tags = tuple(sorted({0, *(obj.label + 1 for obj in record.objects)}))
        return replace(record, objects=(), tags=given or tags)
    height, width = record.height, record.width
    class_map = np.zeros((height, width), np.uint8)
    for counts, label in _layers(record):
        class_map[masks.decode(counts, height, width)] = label
    crowds = {obj.label + 1 for obj in record.objects if obj.crowd}
    tags = tuple(sorted({0, *present(class_map), *crowds}))
    return replace(record, objects=(), class_map=encode(class_map), tags=given or tags)


def _layers(record: Record) -> Iterator[tuple[bytes, int]]:
    """Yield masks and their labels, from the lowest one to the uppermost."""
    objects = [(obj, obj.mask) for obj in record.objects if obj.mask is not None]
    yield from ((mask, UNKNOWN) for obj, mask in objects if obj.crowd)
    ranked = sorted(
        ((mask, obj.label + 1) for obj, mask in objects if not obj.crowd),
        key=lambda layer: masks.area(layer[0], record.height, record.width),
        reverse=True,
    )
    yield from ranked
    if (rest := unseen(record)) is not None:
        yield rest, UNKNOWN
