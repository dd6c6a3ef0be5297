"""The part of an image that somebody looked at; the rest is neither object nor background.

Beyond `Record.annotated` nobody knows what there is.  Every loss and metric treats that part as it
treats a crowd: as an ignore region.  An object most of which lies there is ignored with it.
"""

from ray_wssis import masks
from ray_wssis.data.records import Object, Record

SEEN_SHARE = 0.5  # of an object's pixels; an object with a smaller share is ignored


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
