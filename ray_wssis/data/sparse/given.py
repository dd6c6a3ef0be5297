"""Sparse labels that somebody gave, as class maps of the images they are about."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from ray_wssis.data.class_maps.png import UNKNOWN, decode, encode, present
from ray_wssis.data.problem import Problems
from ray_wssis.data.records import Records
from ray_wssis.data.sparse.coco import is_coco, read_instances
from ray_wssis.data.sparse.config import SparseLabelsConfig
from ray_wssis.data.sparse.drawn import read_drawn
from ray_wssis.data.sparse.maps import is_folder_of_maps, read_maps


def with_given_labels(records: Records, config: SparseLabelsConfig, problems: Problems) -> Records:
    """Replace the class maps of images by the sparse ones of files; others lose theirs.

    Where several files annotate a pixel, the last one counts.  Tags are those of the annotated
    classes.  What is wrong with files is noted in `problems`.
    Raises ValueError for what cannot be read at all.
    """
    found: dict[int, bytes] = {}
    for place, class_map in _read(records, config, problems):
        found[place] = _over(class_map, found.get(place))
    forgotten = (replace(record, class_map=None, tags=None) for record in records)
    given = (
        replace(record, class_map=found[place], tags=present(decode(found[place])))
        if place in found
        else record
        for place, record in enumerate(forgotten)
    )
    return Records.from_rows(given, records.categories)


def _read(
    records: Records, config: SparseLabelsConfig, problems: Problems
) -> Iterator[tuple[int, bytes]]:
    """Yield places of images and their sparse maps, perhaps several of one image."""
    for labels in config.labels:
        if config.format is None and is_folder_of_maps(labels):
            yield from read_maps(labels, records, config.not_annotated, problems)
        elif is_coco(labels, config):
            yield from read_instances(labels, records, config.radius, problems)
        else:
            yield from read_drawn(labels, records, config, problems)


def _over(upper: bytes, lower: bytes | None) -> bytes:
    """Put one sparse map over another one of the same image."""
    if lower is None:
        return upper
    top, ground = decode(upper), decode(lower)
    return encode(np.where(top == UNKNOWN, ground, top))
