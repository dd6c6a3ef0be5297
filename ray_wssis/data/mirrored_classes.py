"""Classes that become each other in a mirror: a left door is a right door there.

A flip that left the names as they are would teach a network to toss a coin.
"""

import re
from collections.abc import Sequence

from ray_wssis.data.records import Category

SIDES = {"left": "right", "right": "left", "l": "r", "r": "l"}
# A word of a name: letters of one case, or a capital with small letters; digits; anything else.
WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+|[^A-Za-z\d]+")


def mirrored_labels(categories: Sequence[Category]) -> tuple[int, ...]:
    """Return, for each label, the one that the class has in a mirror image: mostly its own.

    Classes are a pair if their names differ only in left and right, or in the words l and r.
    """
    label_of = {category.name.lower(): label for label, category in enumerate(categories)}
    return tuple(
        label_of.get(mirrored_name(category.name), label)
        for label, category in enumerate(categories)
    )


def mirrored_name(name: str) -> str:
    """Return the name, in small letters, with left and right swapped."""
    words = WORDS.findall(name)
    return "".join(SIDES.get(word.lower(), word.lower()) for word in words)


def mirrored_pairs(categories: Sequence[Category]) -> list[tuple[str, str]]:
    """Return the names of the classes that are pairs, each pair once."""
    return [
        (categories[label].name, categories[other].name)
        for label, other in enumerate(mirrored_labels(categories))
        if label < other
    ]
