"""Refusals of a split that nothing could be learnt from, before any training."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence

from ray_wssis.data.annotated import is_ignored
from ray_wssis.data.coco.read import Rejected
from ray_wssis.data.records import Records

NUM_REASONS = 3  # of rejected annotations, in an error


def check_teaches(strong: Records) -> None:
    """Raise ValueError if no strong image has an object with a mask."""
    if not num_masks(strong):
        raise ValueError(
            f"there is nothing to teach: none of the {len(strong)} images of the part with masks "
            f"has an object with a mask{_crowds(strong)}. Try another seed or a larger percentage, "
            "or add images that show objects"
        )


def check_validates(validation: Records) -> None:
    """Raise ValueError if no validation image has an object with a mask."""
    if not num_masks(validation):
        raise ValueError(
            f"there is nothing to validate on: none of the {len(validation)} validation images has "
            f"an object with a mask{_crowds(validation)}. Give a validation file, or hold out more"
        )


def check_points(weak: Records, rejected: Sequence[Rejected] = ()) -> None:
    """Raise ValueError if no weak image has a point; `rejected` could not be used."""
    if any(obj.point is not None for record in weak for obj in record.objects):
        return
    number = sum(len(record.objects) for record in weak) + len(rejected)
    reasons = counted(entry.reason for entry in rejected)
    raise ValueError(
        f"there is no usable point among the {number} annotations of the {len(weak)} weak images"
        f'{": " if reasons else ""}{reasons}. Give each object a "point": [x, y], a keypoint or a '
        '"bbox"'
    )


def num_masks(records: Records) -> int:
    """Count the objects with a mask that are no ignore regions."""
    return sum(
        obj.mask is not None and not is_ignored(record, obj)
        for record in records
        for obj in record.objects
    )


def counted(reasons: Iterable[str]) -> str:
    """Count reasons that differ only in numbers: `12 times neither a mask nor a point, ...`."""
    kinds: dict[str, list[str]] = {}
    for reason in reasons:
        kinds.setdefault(re.sub(r"[\d.]+", "#", reason), []).append(reason)
    numbers = Counter({kind: len(alike) for kind, alike in kinds.items()}).most_common()
    named = [f"{number} times {kinds[kind][0]}" for kind, number in numbers[:NUM_REASONS]]
    return "; ".join([*named, *(["..."] if len(numbers) > NUM_REASONS else [])])


def _crowds(records: Records) -> str:
    number = sum(obj.crowd for record in records for obj in record.objects)
    return f" ({number} are crowd regions)" if number else ""
