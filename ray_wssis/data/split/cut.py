"""Cut a labelled data set into a strong part (masks) and a weak part (points only).

Images, not objects, are drawn: each gets a number that only its id and the seed decide, and the
images with the smallest numbers are strong.  So the 5 % split is part of the 10 % split of the same
seed, and neither the order of the file nor other images change the rank of an image.

The weak part truly forgets: its records and files have no mask, no box and no area.  The hidden
masks can be kept aside (`weak_truth`) to measure those that a teacher draws.

Some strong images are for the *audit*: the teacher does not learn from them either, so the masks
that it draws there are as good as those of the weak images, and can be compared with the truth.
The other strong images are the *taught* ones.
"""

from collections.abc import Collection
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from ray_wssis import masks
from ray_wssis.data.columns import (
    Where,
    count_labels,
    image_ids,
    know_masks,
    lack_masks,
    lack_points,
    num_objects,
)
from ray_wssis.data.points.draw import with_points
from ray_wssis.data.points.kind import PointKind
from ray_wssis.data.records import Record, Records
from ray_wssis.data.split.draw import in_line, num_audit, spare
from ray_wssis.data.split.sizes import Sizes

NUM_DRAWS = 50  # of audit images, to take the best of


class Cut(NamedTuple):
    """A data set cut in two, nothing forgotten."""

    strong: Records
    rest: Records
    knows_masks: bool  # of all objects of the rest


class Split(NamedTuple):
    """A data set cut in two, and the masks that the weak part hides."""

    strong: Records  # masks and points
    weak: Records  # points only
    weak_truth: Records | None  # the weak part with its masks; None if they are not all known


def split_records(
    records: Records,
    percent: float,
    seed: int,
    point_kind: PointKind | str,
    incomplete: Collection[int] = (),
) -> Split:
    """Cut `records` as `cut_records` and forget the masks of the rest.

    Crowds stay in the strong part and are removed from the weak one.
    """
    strong, rest, knows_masks = cut_records(records, percent, seed, point_kind, incomplete)
    empty = num_objects(rest) == 0
    return Split(
        strong=strong,
        weak=rest.changed(lambda x: _forget_masks(_seen(x)), know_masks(rest) | empty),
        weak_truth=rest if knows_masks else None,
    )


def cut_records(
    records: Records,
    percent: float,
    seed: int,
    point_kind: PointKind | str,
    incomplete: Collection[int] = (),
) -> Cut:
    """Cut `records` so that `percent` % of the images are strong (rounded down, never 0).

    Points are drawn from the masks where they are missing.  Only images whose objects all have
    masks can become strong; images with ids in `incomplete` cannot, because some of their objects
    are not in the records.  Raises ValueError when `percent` is not in (0, 100) or when too few
    images have masks.
    """
    if not 0 < percent < 100:
        raise ValueError(f"percent is {percent:g}, it must be a number between 0 and 100")
    pointed = records.changed(lambda x: with_points(x, point_kind, seed), lack_points(records))
    whole = ~lack_masks(pointed) & ~np.isin(image_ids(pointed), list(incomplete))
    strong = np.zeros(len(whole), dtype=np.bool_)
    strong[_draw_strong(image_ids(pointed).tolist(), whole, percent, seed)] = True
    return Cut(
        strong=pointed.select(np.flatnonzero(strong).tolist()),
        rest=pointed.select(np.flatnonzero(~strong).tolist()),
        knows_masks=bool(whole[~strong].all()),
    )


def draw_audit(strong: Records, share: float, seed: int) -> tuple[Records, Records]:
    """Cut the strong images into a taught and an audit part, both in their order.

    The audit gets `share` (0 to 0.5) of the images, rounded down but at least one.  It gets fewer,
    perhaps none, if otherwise fewer than two images were left to teach from, or none of a class
    that the strong images show.  An image can be drawn when it has an object, and all its objects
    have a mask and a point; crowds do not count.

    A handful of images drawn at random may have half as many objects as others, or larger ones.
    So many such draws are made, and the one with the most usual objects is taken.
    """
    records = list(strong)
    wanted = num_audit(len(records), share)
    labels = {i: _labels(record) for i, record in enumerate(records)}
    able = [i for i, record in enumerate(records) if _can_audit(record)]
    usual = Sizes.of(records[i] for i in able)
    ids = [record.image_id for record in records]
    draws = [
        spare(labels, in_line(able, f"audit {k}", seed, ids, ids), wanted) for k in range(NUM_DRAWS)
    ]
    audit = min(draws, key=lambda drawn: (-len(drawn), usual.distance(records[i] for i in drawn)))
    return (
        strong.select([i for i in range(len(records)) if i not in audit]),
        strong.select(sorted(audit)),
    )


def as_weak(records: Records, kind: PointKind | str, seed: int) -> Records:
    """Turn records into weak ones: draw the points that are not given, then forget the masks.

    Meant for published `_w.json` files, which still hold everything.  Crowds are dropped.
    """
    return records.changed(
        lambda record: _forget_masks(with_points(record, kind, seed)), know_masks(records)
    )


def count_classes(records: Records) -> dict[str, int]:
    """Count the objects of each class by name, classes without any included, crowds left out."""
    names = [category.name for category in records.categories]
    return dict(zip(names, count_labels(records).tolist(), strict=True))


def classes_without_masks(strong: Records, weak: Records) -> list[str]:
    """List the classes that the weak part points at and no strong mask shows.

    A teacher cannot learn them, so their points will not get masks.
    """
    taught = count_classes(strong)
    return [name for name, count in count_classes(weak).items() if count and not taught[name]]


def _draw_strong(ids: list[int], whole: Where, percent: float, seed: int) -> list[int]:
    """Draw the places of the strong images among the `whole` ones, which can be strong."""
    # The small term repairs products like 0.07 * 100, which are a hair below the whole number.
    wanted = max(1, int(len(ids) * percent / 100 + 1e-9))
    able = np.flatnonzero(whole).tolist()
    if len(able) < wanted:
        raise ValueError(
            f"{percent:g} % of {len(ids)} images are {wanted}, but only {len(able)} have a "
            "mask for every object: choose a smaller percentage, or use the file as it is"
        )
    return in_line(able, "image", seed, ids, ids)[:wanted]


def _labels(record: Record) -> list[int]:
    """List the classes of the objects, crowds left out."""
    return [obj.label for obj in record.objects if not obj.crowd]


def _can_audit(record: Record) -> bool:
    objects = [obj for obj in record.objects if not obj.crowd]
    return bool(objects) and all(obj.mask is not None and obj.point is not None for obj in objects)


def _seen(record: Record) -> Record:
    """Note that somebody looked at an image without objects, which a file of points cannot tell."""
    if record.objects or record.annotated is not None:
        return record
    return replace(record, annotated=masks.everywhere(record.height, record.width))


def _forget_masks(record: Record) -> Record:
    """Turn a record into a weak one: without crowds, masks and class map."""
    objects = tuple(replace(obj, mask=None) for obj in record.objects if not obj.crowd)
    return replace(record, objects=objects, class_map=None)
