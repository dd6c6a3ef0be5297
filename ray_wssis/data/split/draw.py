"""Images drawn by chance: an order that only a seed decides, and images that can be spared."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from ray_wssis.data.points.draw import chance


def in_line(
    able: Iterable[int], kind: str, seed: int, keys: Sequence[int | str], ids: Sequence[int]
) -> list[int]:
    """Sort the places `able` in an order that only the seed and the keys of the images decide.

    There is a key and an id for each place; ids decide where keys are equal.
    """
    return sorted(able, key=lambda place: (chance(seed, kind, keys[place]), ids[place]))


def num_audit(total: int, share: float) -> int:
    """Return how many of `total` images are for an audit: `share` of them, but at least one.

    None, if otherwise fewer than two were left to learn from.
    """
    wanted = max(1, int(total * share + 1e-9)) if share else 0
    return wanted if total - wanted >= 2 else 0


def spare(labels: Mapping[int, Sequence[int]], line: Sequence[int], wanted: int) -> set[int]:
    """Take the first of a line of places that can be spared: some of each class must be left.

    `labels` are the classes at each place, those in the line and others.
    """
    left = Counter(label for each in labels.values() for label in each)
    taken: set[int] = set()
    for place in line:
        if len(taken) == wanted:
            break
        here = Counter(labels[place])
        if all(left[label] > here[label] for label in here):
            left -= here
            taken.add(place)
    return taken
