"""Images drawn from a data set with class maps: each image's rank is decided by seed and name."""

from ray_wssis.data.columns import image_ids
from ray_wssis.data.records import Records
from ray_wssis.data.split.draw import in_line, num_audit, spare


def draw(records: Records, able: list[int], number: int, kind: str, seed: int) -> list[int]:
    """Draw `number` of the places `able`, ascending; fewer images are part of more of them."""
    return sorted(_in_line(records, able, kind, seed)[:number])


def draw_audit(strong: Records, share: float, seed: int) -> tuple[Records, Records]:
    """Cut the strong images into a taught and an audit part, both in their order.

    The audit gets `share` (0 to 0.5) of the images, rounded down but at least one; fewer, perhaps
    none, if otherwise fewer than two images were left to learn from, or none with a class that the
    strong images show.  With a share of 1 it gets them all.
    """
    if share == 1:
        return strong.select([]), strong
    labels = {place: record.tags or () for place, record in enumerate(strong)}
    able = [place for place, tags in labels.items() if tags]
    line = _in_line(strong, able, "audit", seed)
    audit = spare(labels, line, num_audit(len(strong), share))
    return (
        strong.select([place for place in labels if place not in audit]),
        strong.select(sorted(audit)),
    )


def _in_line(records: Records, able: list[int], kind: str, seed: int) -> list[int]:
    """Sort places by what decides the rank of an image: the name of its file without folders."""
    names = [file.rpartition("/")[2] for file in records.table["file"].to_pylist()]
    return in_line(able, kind, seed, names, image_ids(records).tolist())
