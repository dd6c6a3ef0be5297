"""Cut a labelled data set into a strong part (masks) and a weak part (points only).

Pictures, not objects, are drawn: each has a number that only its id and the seed decide, and the
smallest numbers are strong.  So the 5 % split is part of the 10 % split of the same seed, and
neither the order of the file nor other pictures change a picture's place in line.

The weak part truly forgets: its records and files have no mask, no box and no area.  What was
hidden can be kept aside (`weak_truth`) to measure the masks that a teacher draws.
"""

from dataclasses import replace
from typing import NamedTuple

from ray_wssis.data.points import PointKind, chance, with_points
from ray_wssis.data.records import Record, Records


class Split(NamedTuple):
    """A data set cut in two, and what the weak part hides."""

    strong: Records  # masks and points
    weak: Records  # points only
    weak_truth: Records | None  # the weak part with its masks; None where they are not all known


def split_records(
    records: Records, percent: float, seed: int, point_kind: PointKind | str
) -> Split:
    """Cut `records` so that `percent` % of the pictures keep their masks (rounded down, never 0).

    Only pictures whose every object has a mask can become strong.  Crowds stay in the strong part
    and leave the weak one.  Raises ValueError when `percent` is not in (0, 100) or when too few
    pictures have masks.
    """
    if not 0 < percent < 100:
        raise ValueError(f"percent is {percent:g}, a number between 0 and 100 is wanted")
    pointed = [with_points(record, point_kind, seed) for record in records]
    strong = _draw_strong(pointed, percent, seed)
    rest = [_without_crowds(record) for i, record in enumerate(pointed) if i not in strong]
    known = all(mask is not None for record in rest for mask in record.masks)
    categories = records.categories
    return Split(
        strong=Records.from_rows((pointed[i] for i in sorted(strong)), categories),
        weak=Records.from_rows(map(_without_masks, rest), categories),
        weak_truth=Records.from_rows(rest, categories) if known else None,
    )


def as_weak(records: Records, kind: PointKind | str, seed: int) -> Records:
    """The records as weak ones: points drawn where they are not given, then masks forgotten.

    For published `_w.json` files, which still hold everything.  Crowds are dropped.
    """
    return Records.from_rows(
        (_without_masks(_without_crowds(with_points(record, kind, seed))) for record in records),
        records.categories,
    )


def count_classes(records: Records) -> dict[str, int]:
    """Number of objects of each class by name, crowds left out; classes without any included."""
    counts = [0] * len(records.categories)
    for labels, crowds in zip(
        records.table["label"].to_pylist(), records.table["crowd"].to_pylist(), strict=True
    ):
        for label, crowd in zip(labels, crowds, strict=True):
            counts[label] += not crowd
    return {entry.name: counts[label] for label, entry in enumerate(records.categories)}


def classes_without_masks(strong: Records, weak: Records) -> list[str]:
    """Names of the classes that the weak part points at and no strong mask shows.

    A teacher cannot learn them, so their points will not get masks.
    """
    taught = count_classes(strong)
    return [name for name, count in count_classes(weak).items() if count and not taught[name]]


def _draw_strong(records: list[Record], percent: float, seed: int) -> set[int]:
    """Places of the strong pictures.  Pictures that cannot be strong lose their place in line."""
    # The small term repairs products like 0.07 * 100, which come out a hair below the whole number.
    wanted = max(1, int(len(records) * percent / 100 + 1e-9))
    able = [i for i, record in enumerate(records) if None not in record.masks]
    if len(able) < wanted:
        raise ValueError(
            f"{percent:g} % of {len(records)} images are {wanted}, but only {len(able)} have a "
            "mask for every object: choose a smaller percentage, or use the file as it is"
        )
    line = sorted(
        able, key=lambda i: (chance(seed, "image", records[i].image_id), records[i].image_id)
    )
    return set(line[:wanted])


def _without_crowds(record: Record) -> Record:
    return record.keep(i for i, crowd in enumerate(record.crowds) if not crowd)


def _without_masks(record: Record) -> Record:
    return replace(record, masks=[None] * len(record.masks))
