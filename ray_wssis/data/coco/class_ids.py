"""Category ids that are off by one: counted from 0 in annotations, from 1 in categories."""

from collections.abc import Iterable, Set
from typing import Any

from ray_wssis.data.coco.fields import whole_number


def used_ids(annotations: Iterable[Any]) -> set[int]:
    """Return the category ids of annotations, without those that are none."""
    values = {
        entry.get("category_id")
        for entry in annotations
        if isinstance(entry, dict) and isinstance(entry.get("category_id"), int | float | str)
    }
    found = set()
    for value in values:
        try:
            found.add(whole_number({"id": value}, "id", ""))
        except ValueError:
            continue
    return found


def off_by(used: Set[int], known: Set[int]) -> int:
    """Return what must be added to the used ids, 1 or -1, so that all are known; 0 if it is not so.

    Some used id is unknown then, and the known ones have no gap: each object would get the class
    before or after its own, and only those at one end would be missed.
    """
    if not used or used <= known or len(known) != max(known, default=0) - min(known, default=0) + 1:
        return 0
    return next((step for step in (1, -1) if {number + step for number in used} <= known), 0)


def off_by_one(used: Set[int], known: Set[int]) -> str:
    """Say what is wrong where the used ids are off by one."""
    return (
        f"annotations have category ids from {min(used)} to {max(used)}, categories from "
        f"{min(known)} to {max(known)}: probably all are off by one"
    )
