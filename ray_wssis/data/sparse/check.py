"""Findings about sparse labels that somebody gave, for a list of everything that is wrong."""

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from ray_wssis.data.class_maps.png import UNKNOWN, decode
from ray_wssis.data.class_maps.tags import Tags, note_contradictions
from ray_wssis.data.problem import Problems
from ray_wssis.data.records import Record, Records
from ray_wssis.data.sparse.config import SparseLabelsConfig
from ray_wssis.data.sparse.given import with_given_labels

MOST_NAMES = 5  # classes that a finding names


def check_sparse_labels(
    records: Records, config: SparseLabelsConfig, said: Tags | None, problems: Problems
) -> None:
    """Check sparse labels of images, which may have full class maps too; `said` are their tags.

    Raises ValueError for labels that cannot be read at all.
    """
    given = with_given_labels(records, config, problems)
    _note_bare_images(given, ", ".join(config.labels), problems)
    _note_bare_classes(given, problems)
    _note_other_classes(records, given, problems)
    if said is not None:
        note_contradictions(given, said, problems)


def _note_bare_images(given: Records, where: str, problems: Problems) -> None:
    """Report images without an annotated pixel."""
    bare = [record.file for record in given if not record.tags]
    if bare:
        found = f"{len(bare)} of {len(given)} images have no annotated pixel, first {bare[0]}"
        wanted = "labels of every training image; images that validate need none"
        problems.add("info", "image without labels", where, found, wanted)


def _note_bare_classes(given: Records, problems: Problems) -> None:
    """Report classes without an annotated pixel."""
    shown = {label for record in given for label in record.tags or ()}
    bare = [entry.name for label, entry in enumerate(given.categories) if label not in shown]
    if bare:
        named = ", ".join([*bare[:MOST_NAMES], *(["..."] if len(bare) > MOST_NAMES else [])])
        found = f"{len(bare)} of {len(given.categories)} classes have no annotated pixel: {named}"
        wanted = "labels that show them: nothing else teaches a class"
        problems.add("warning", "class without labels", "classes", found, wanted)


def _note_other_classes(records: Records, given: Records, problems: Problems) -> None:
    """Report annotated pixels that have another class in the full map of their image."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        compared = list(pool.map(_compared, records, given))
    odd = [
        (record.file, other) for record, (_, other) in zip(records, compared, strict=True) if other
    ]
    if odd:
        number, other = (sum(column) for column in zip(*compared, strict=True))
        found = (
            f"{other} of {number} annotated pixels, in {len(odd)} images, have another class in "
            f"the full class map, {odd[0][1]} in this one for instance"
        )
        wanted = "one class for a pixel; a few beside an outline are usual"
        problems.add("warning", "labels against map", odd[0][0], found, wanted)


def _compared(full: Record, sparse: Record) -> tuple[int, int]:
    """Count the annotated pixels that the full map knows, and those with another class there."""
    if full.class_map is None or sparse.class_map is None:
        return 0, 0
    truth, drawn = decode(full.class_map), decode(sparse.class_map)
    known = (truth != UNKNOWN) & (drawn != UNKNOWN)
    return int(np.sum(known)), int(np.sum(known & (truth != drawn)))
