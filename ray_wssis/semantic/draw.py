"""Images drawn from a data set with class maps: each image's rank is decided by seed and name."""

from collections import Counter

from ray_wssis.data.points import chance
from ray_wssis.data.records import Record, Records


def draw(records: Records, able: list[int], number: int, kind: str, seed: int) -> list[int]:
    """Draw `number` of the places `able`, ascending; fewer images are part of more of them."""
    return sorted(_in_line(records, able, kind, seed)[:number])


def draw_audit(strong: Records, share: float, seed: int) -> tuple[Records, Records]:
    """Cut the strong images into a taught and an audit part, both in their order.

    The audit gets `share` (0 to 0.5) of the images, rounded down but at least one; fewer, perhaps
    none, if otherwise fewer than two images were left to learn from, or none with a class that the
    strong images show.
    """
    wanted = max(1, int(len(strong) * share + 1e-9)) if share else 0
    if len(strong) - wanted < 2:
        wanted = 0
    records = list(strong)
    taught = Counter(label for record in records for label in record.tags or ())
    audit: set[int] = set()
    for place in _in_line(strong, list(range(len(records))), "audit", seed):
        tags = records[place].tags or ()
        if len(audit) < wanted and tags and all(taught[label] > 1 for label in tags):
            taught.subtract(tags)
            audit.add(place)
    return (
        strong.select([place for place in range(len(records)) if place not in audit]),
        strong.select(sorted(audit)),
    )


def _in_line(records: Records, able: list[int], kind: str, seed: int) -> list[int]:
    """Sort places in an order that only the seed and the names of the files decide."""
    ranks = {place: _rank(records[place], kind, seed) for place in able}
    return sorted(able, key=ranks.__getitem__)


def _rank(record: Record, kind: str, seed: int) -> tuple[int, int]:
    return chance(seed, kind, record.file.rpartition("/")[2]), record.image_id
