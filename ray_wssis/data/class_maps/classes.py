"""Classes of class maps: their names, and the values of a file that stand for them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from upath import UPath

from ray_wssis.data.class_maps.png import MOST_CLASSES, UNKNOWN
from ray_wssis.data.records import Category

UNKNOWN_NAME = "unknown"  # in a file of classes: a value that says nothing


@dataclass(frozen=True, kw_only=True)
class Classes:
    """Classes by ascending value in a file; the label of a class is its place."""

    categories: tuple[Category, ...]  # ids are the values
    unknown: frozenset[int] = frozenset({UNKNOWN})  # other values that may occur

    @property
    def values(self) -> set[int]:
        """All values that may occur."""
        return {category.id for category in self.categories} | self.unknown

    @property
    def labels(self) -> NDArray[np.uint8]:
        """Labels by value, [256]; `UNKNOWN` where a value is no class."""
        labels = np.full(256, UNKNOWN, np.uint8)
        for label, category in enumerate(self.categories):
            labels[category.id] = label
        return labels


def read_classes(classes: str | Sequence[str]) -> Classes:
    """Read classes from a list of names or from a text file with a line for each.

    A line is `name` or `value,name`; without values they count from 0.  A class named `unknown`
    is none: pixels of its value say nothing, as those of 255 do.  Raises ValueError for a file
    that cannot be read, and for what is no such list.
    """
    where = classes if isinstance(classes, str) else "classes"
    names = _lines(classes) if isinstance(classes, str) else list(classes)
    try:
        return _classes([name.strip() for name in names if name.strip()])
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error


def _lines(file: str) -> list[str]:
    try:
        return UPath(file).read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{file}: the names of the classes cannot be read ({error})") from error


def _classes(lines: list[str]) -> Classes:
    numbered = [line.partition(",") for line in lines]
    if all(value.strip().isdecimal() and name.strip() for value, _, name in numbered):
        named = [(int(value), name.strip()) for value, _, name in numbered]
    else:
        named = list(enumerate(lines))
    for what, uses in (
        ("value", Counter(value for value, _ in named)),
        ("class", Counter(name for _, name in named if name != UNKNOWN_NAME)),
    ):
        (twice, number), *_ = uses.most_common(1) or [(None, 0)]
        if number > 1:
            raise ValueError(f"the {what} {twice} is there {number} times")
    categories = tuple(
        Category(id=value, name=name) for value, name in sorted(named) if name != UNKNOWN_NAME
    )
    if not categories:
        raise ValueError("there is no class; a line with a name is needed for each")
    if len(categories) > MOST_CLASSES or categories[-1].id >= UNKNOWN:
        raise ValueError(
            f"{len(categories)} classes with values up to {categories[-1].id}; values are 0 to "
            f"{UNKNOWN - 1}, and {UNKNOWN} is unknown"
        )
    unknown = {value for value, name in named if name == UNKNOWN_NAME}
    return Classes(categories=categories, unknown=frozenset({UNKNOWN, *unknown}))
