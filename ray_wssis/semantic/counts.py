"""Images and pixels of each class, for the manifest of a split."""

import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ray_wssis.data.class_maps.png import UNKNOWN, decode, pixels
from ray_wssis.data.records import Record, Records


def counts(records: Records) -> dict[str, Any]:
    """Count images, and where there are class maps pixels, of each class.

    Tags decide which classes an image has.
    """
    names = [category.name for category in records.categories]
    tagged = Counter(label for record in records for label in record.tags or ())
    counted: dict[str, Any] = {
        "num_images": len(records),
        "num_images_without_tags": sum(record.tags is None for record in records),
        "num_images_per_class": {name: tagged[label] for label, name in enumerate(names)},
    }
    if any(record.class_map is not None for record in records):
        total = num_pixels(records)
        counted["num_pixels_per_class"] = {
            name: int(total[label]) for label, name in enumerate(names)
        }
        counted["num_unknown_pixels"] = int(total[UNKNOWN])
    return counted


def num_pixels(records: Records) -> NDArray[np.int64]:
    """Count the pixels of each label in all class maps, [256]."""
    total = np.zeros(256, np.int64)
    mapped = [record for record in records if record.class_map is not None]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for found in pool.map(_pixels, mapped):
            total += found
    return total


def images_of_classes(records: Records) -> set[int]:
    """Return the labels of all classes that an image is tagged with."""
    return {label for record in records for label in record.tags or ()}


def _pixels(record: Record) -> NDArray[np.int64]:
    assert record.class_map is not None
    return pixels(decode(record.class_map))
