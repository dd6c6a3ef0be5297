"""Classes of files that were split elsewhere: which of them count, and that both files agree."""

import logging
from collections.abc import Mapping
from dataclasses import replace

from ray_wssis.data.records import Category, Record, Records
from ray_wssis.data.split.cut import count_classes

logger = logging.getLogger(__name__)


def of_classes(known: tuple[Category, ...], weak: Records, file: str) -> Records:
    """Leave out the objects of classes that only the weak file lists.

    A teacher cannot learn those, so it draws no masks for their points.
    """
    unknown = [category.name for category in weak.categories if category not in known]
    if not unknown or not set(known) <= set(weak.categories):
        return weak
    label_of = {
        label: known.index(category)
        for label, category in enumerate(weak.categories)
        if category in known
    }
    counts = count_classes(weak)
    logger.warning(
        "%s: %d objects are left out because their classes are not in the strong file: %s",
        file,
        sum(counts[name] for name in unknown),
        ", ".join(unknown),
    )
    return Records.from_rows((with_labels(record, label_of) for record in weak), known)


def with_labels(record: Record, label_of: Mapping[int, int]) -> Record:
    """Translate the labels of a record, leaving out objects whose label has no translation."""
    objects = tuple(
        replace(obj, label=label_of[obj.label]) for obj in record.objects if obj.label in label_of
    )
    tags = record.tags
    if tags is not None:
        tags = tuple(label_of[label] for label in tags if label in label_of)
    return replace(record, objects=objects, tags=tags)


def check_categories(
    first: str, ours: tuple[Category, ...], second: str, theirs: tuple[Category, ...]
) -> None:
    if ours != theirs:
        odd = sorted({(c.id, c.name) for c in ours} ^ {(c.id, c.name) for c in theirs})
        raise ValueError(
            f"{second} has other categories than {first}: {odd[:5]} are not in both; "
            f"give both files the same list"
        )
