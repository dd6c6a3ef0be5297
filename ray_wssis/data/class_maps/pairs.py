"""Images with their class maps, read file by file into records.

Never more maps are decoded at once than threads read them: a record holds its map as PNG.  What is
wrong is collected, a finding for each cause with a count and an example.
"""

import logging
import os
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from ray_wssis.data.class_maps.classes import Classes
from ray_wssis.data.class_maps.png import encode, pixels, present
from ray_wssis.data.class_maps.values import Unusable, read_values
from ray_wssis.data.images.read import ImageError, read_size
from ray_wssis.data.problem import Problems
from ray_wssis.data.records import Record, Records

NUM_VALUES = 5  # odd values that a message names

logger = logging.getLogger(__name__)


class Pair(NamedTuple):
    """Paths or URIs of an image and of its class map."""

    image: str
    class_map: str | None  # None: it has none


class Seen(NamedTuple):
    """Facts about a pair that could be read."""

    record: Record
    class_map: str | None  # path or URI
    palette: bytes | None  # of the map; None: gray, or no map
    odd: dict[int, int]  # pixels by value that is no class


class Fault(NamedTuple):
    """Reason why a pair cannot be used; faults of the same kind are reported as one."""

    kind: str
    file: str
    found: str  # what such files are or have
    wanted: str


def read_pairs(
    pairs: Sequence[Pair], classes: Classes, problems: Problems, mixed: bool = False
) -> Records:
    """Read images and class maps into records, numbered from 1; tags are the classes of the map.

    Pairs that cannot be used are left out and noted in `problems`.  So are palettes that differ,
    unless a data set has `mixed` ones.
    """

    def look(numbered: tuple[int, Pair]) -> Seen | Fault:
        return look_at(*numbered, classes)

    with ThreadPoolExecutor(4 * (os.cpu_count() or 1)) as pool:
        looks = list(pool.map(look, enumerate(pairs, start=1)))
    seen = [look for look in looks if isinstance(look, Seen)]
    num_maps = sum(pair.class_map is not None for pair in pairs)
    note_faults([look for look in looks if isinstance(look, Fault)], len(pairs), problems)
    note_odd_values(seen, num_maps, classes, problems)
    if not mixed:
        note_palettes(seen, problems)
    return Records.from_rows([look.record for look in seen], classes.categories)


def look_at(image_id: int, pair: Pair, classes: Classes) -> Seen | Fault:
    """Read the size of an image and its class map."""
    try:
        height, width = read_size(pair.image)
    except ImageError as error:
        return Fault("image file", error.file, f"cannot be read: {error.found}", error.wanted)
    record = Record(image_id=image_id, file=pair.image, width=width, height=height)
    if pair.class_map is None:
        return Seen(record, None, None, {})
    try:
        values, palette = read_values(pair.class_map)
    except Unusable as error:
        return Fault("no class map", error.file, f"are no class maps: {error.found}", error.wanted)
    except ImageError as error:
        return Fault("class map file", error.file, f"cannot be read: {error.found}", error.wanted)
    if values.shape != (height, width):
        return _another_size(pair.class_map, values.shape, (height, width))
    counts = pixels(values)
    allowed = classes.values
    odd = {value: int(counts[value]) for value in np.flatnonzero(counts).tolist()}
    odd = {value: count for value, count in odd.items() if value not in allowed}
    class_map = classes.labels[values]
    record = replace(record, class_map=encode(class_map), tags=present(class_map))
    return Seen(record, pair.class_map, palette, odd)


def _another_size(file: str, found: tuple[int, ...], expected: tuple[int, int]) -> Fault:
    swapped = found == expected[::-1]
    return Fault(
        "another size",
        file,
        f"have another size than their image: {found[1]} x {found[0]} pixels (width x height) "
        f"here, the image {expected[1]} x {expected[0]}",
        "maps of the images as a viewer shows them (their EXIF turns them)"
        if swapped
        else "a value for every pixel of the image",
    )


def note_faults(faults: Sequence[Fault], total: int, problems: Problems) -> None:
    """Report faults, those of a kind together."""
    kinds = Counter(fault.kind for fault in faults)
    for kind, number in kinds.items():
        first = next(fault for fault in faults if fault.kind == kind)
        found = f"{number} of {total} files {first.found}"
        problems.add("error", kind, first.file, found, first.wanted)


def note_odd_values(
    seen: Sequence[Seen],
    num_maps: int,
    classes: Classes,
    problems: Problems,
    remedy: str = "a file of classes may list others as unknown",
) -> None:
    """Report values that are no class; `remedy` says how they may become unknown."""
    odd = [look for look in seen if look.odd]
    if not odd:
        return
    counts: Counter[int] = Counter()
    for look in odd:
        counts.update(look.odd)
    named = [f"{value} ({number} pixels)" for value, number in counts.most_common(NUM_VALUES)]
    values = ", ".join([*named, *(["..."] if len(counts) > NUM_VALUES else [])])
    found = f"{len(odd)} of {num_maps} class maps hold values that are no class: {values}"
    first, last = classes.categories[0], classes.categories[-1]
    wanted = (
        f"values of the {len(classes.categories)} classes, {first.id} ({first.name}) to "
        f"{last.id} ({last.name}), or 255 for unknown; {remedy}"
    )
    problems.add("error", "no class", str(odd[0].class_map), found, wanted)


def note_palettes(seen: Sequence[Seen], problems: Problems) -> None:
    """Report maps whose colours say that their values may mean something else."""
    maps = [look for look in seen if look.class_map is not None]
    kinds = Counter(look.palette for look in maps)
    if len(kinds) < 2:
        return
    usual, number = kinds.most_common(1)[0]
    other = next(look for look in maps if look.palette != usual)
    what = "gray" if usual is None else "those of one palette"
    odd = "is gray" if other.palette is None else "has another palette"
    found = f"{number} of {len(maps)} class maps are {what}, others are not: this one {odd}"
    wanted = "one kind, as an editor may have renumbered the values of a palette"
    problems.add("warning", "mixed palettes", str(other.class_map), found, wanted)


def settle(problems: Problems) -> None:
    """Log what is a warning.  Raises ValueError for the first error, counting the others."""
    errors = [problem for problem in problems.found if problem.severity == "error"]
    for problem in problems.found:
        if problem.severity == "warning":
            logger.warning("%s: %s; wanted: %s", problem.where, problem.found, problem.wanted)
    if errors:
        first = errors[0]
        others = f" (and {len(errors) - 1} other errors)" if len(errors) > 1 else ""
        raise ValueError(
            f"{first.where}: {first.found}; wanted: {first.wanted}{others}. `wssis data check` "
            "lists everything that is wrong"
        )
