"""Ids of images and annotations that stay apart when files are put together."""

from dataclasses import replace

import numpy as np

from ray_wssis.data.columns import annotation_ids, image_ids
from ray_wssis.data.records import Record, Records


def id_offset(added: Records, taken: Records) -> int:
    """Return a power of ten to add to all ids of `added` if any of them is `taken`, else 0.

    Converters number every file from 1, and both files end up in one training set.
    """
    ours = image_ids(taken), annotation_ids(taken)
    theirs = image_ids(added), annotation_ids(added)
    if not any(np.isin(new, known).any() for known, new in zip(ours, theirs, strict=True)):
        return 0
    highest = max(int(numbers.max()) if len(numbers) else 0 for numbers in ours)
    lowest = min(int(numbers.min()) if len(numbers) else 0 for numbers in theirs)
    return int(10 ** len(str(max(highest - lowest, 0))))


def renumbered(records: Records, offset: int) -> Records:
    """Add `offset` to all ids."""
    return Records.from_rows(
        (renumbered_record(record, offset) for record in records), records.categories
    )


def renumbered_record(record: Record, offset: int) -> Record:
    """Add `offset` to the ids of an image and of its objects."""
    objects = tuple(
        replace(obj, annotation_id=obj.annotation_id + offset) for obj in record.objects
    )
    return replace(record, image_id=record.image_id + offset, objects=objects)
