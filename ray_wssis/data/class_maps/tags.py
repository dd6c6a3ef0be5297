"""Tags of images: the labels of all classes that an image may show.

Where a set has a class named `background`, it is in every list of tags, so whoever uses tags needs
no notion of background.
"""

from collections.abc import Sequence
from dataclasses import replace

from ray_wssis.data.points import chance
from ray_wssis.data.records import Category, Record

BACKGROUND = "background"


def background_of(categories: Sequence[Category]) -> tuple[int, ...]:
    """Return the label of the class named `background`, or nothing."""
    return tuple(label for label, entry in enumerate(categories) if entry.name == BACKGROUND)


def with_noise(record: Record, categories: Sequence[Category], rate: float, seed: int) -> Record:
    """Return a record whose tags have mistakes, as people make them.

    Each of its classes is left out with the chance `rate`, and with the same chance a class that it
    does not show is added for it, so as many tags are wrong as are missing.  Background stays.  The
    seed, the name of the file and the class decide, not other images.
    """
    if record.tags is None or not rate:
        return record
    always = background_of(categories)
    shown = [label for label in record.tags if label not in always]
    absent = [label for label in range(len(categories)) if label not in {*record.tags, *always}]
    name = record.file.rpartition("/")[2]

    def happens(what: str, label: int) -> bool:
        return chance(seed, f"{what} {label}", name) < rate * 2**64

    tags = {*always, *(label for label in shown if not happens("tag left out", label))}
    for label in shown:
        if absent and happens("tag added", label):
            tags.add(absent[chance(seed, f"which tag {label}", name) % len(absent)])
    return replace(record, tags=tuple(sorted(tags)))
