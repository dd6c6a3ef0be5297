"""The part of an image that somebody looked at; the rest is neither object nor background.

Beyond `Record.annotated` nobody knows what there is.  Every loss and metric treats that part as it
treats a crowd: as an ignore region.  An object most of which lies there is ignored with it.
"""

import logging
from collections.abc import Container

import numpy as np

from ray_wssis import masks
from ray_wssis.data.columns import Where, lack_masks, num_objects
from ray_wssis.data.records import Object, Record, Records

SEEN_SHARE = 0.5  # of an object's pixels; an object with a smaller share is ignored
MOST_EMPTY = 0.5  # share of images without objects that is no surprise

logger = logging.getLogger(__name__)


def labelled(records: Records, file: str, incomplete: Container[int] = ()) -> Records:
    """Leave out the images of `file` that nobody looked at: they would be learnt as background.

    Where every object has a mask, images without objects are taken for empty; if most are, that is
    worth a warning.  Images with ids in `incomplete` have annotations that cannot be used.
    """
    kept = looked_at(records, incomplete)
    number = len(records) - int(kept.sum())
    if not number or number == len(records):  # without annotations the split is refused anyway
        return records
    if not lack_masks(records).any():
        if number > MOST_EMPTY * len(records):
            logger.warning(
                "%s: %d of %d images have no annotation and are learnt as background. Remove those "
                "that nobody looked at from the file",
                file,
                number,
                len(records),
            )
        return records
    logger.warning(
        "%s: %d of %d images have no annotation and are left out, as nobody may have looked at "
        'them yet. If they are empty, say so with `"annotated": true` in their entries',
        file,
        number,
        len(records),
    )
    return records.select(np.flatnonzero(kept).tolist())


def looked_at(records: Records, incomplete: Container[int] = ()) -> Where:
    """Tell at which images somebody looked; see `is_labelled`.

    Images with ids in `incomplete` have annotations that cannot be used.
    """
    seen = num_objects(records) > 0
    empty = np.flatnonzero(~seen)
    bare = records.select(empty.tolist())
    seen[empty] = [is_labelled(record) or record.image_id in incomplete for record in bare]
    return seen


def is_labelled(record: Record) -> bool:
    """Tell whether somebody looked at the image or at a part of it.

    An annotation says so, and so does `annotated`.  Without both, nobody knows whether the image is
    empty or waits for its annotator.
    """
    if record.objects:
        return True
    height, width = record.height, record.width
    return record.annotated is not None and masks.area(record.annotated, height, width) > 0


def unseen(record: Record) -> bytes | None:
    """Return the counts of the pixels that nobody looked at; None when there are none."""
    if record.annotated is None:
        return None
    rest = masks.complement(record.annotated, record.height, record.width)
    return rest if masks.area(rest, record.height, record.width) else None


def is_ignored(record: Record, obj: Object) -> bool:
    """Tell whether an object is an ignore region: a crowd, or outside the part that was looked at.

    An object without a mask is where its point is.
    """
    if obj.crowd or record.annotated is None:
        return obj.crowd
    height, width = record.height, record.width
    if obj.mask is not None:
        seen = masks.overlap(obj.mask, record.annotated, height, width)
        return seen < SEEN_SHARE * masks.area(obj.mask, height, width)
    return obj.point is not None and not masks.contains(record.annotated, height, width, obj.point)
