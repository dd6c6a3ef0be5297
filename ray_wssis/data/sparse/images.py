"""Images that files of sparse labels are about, among those of a data set."""

from collections.abc import Sequence

from ray_wssis.data.images.names import locate_among
from ray_wssis.data.problem import Problems, Severity
from ray_wssis.data.records import Records


def find_images(
    names: Sequence[str], records: Records, where: str, problems: Problems
) -> dict[str, int]:
    """Find the places of images among the records by the names that labels have for them.

    Names of other images are counted: labels may be there for more images than are learnt from.  It
    is an error if all are.
    """
    place_of = {record.file: place for place, record in enumerate(records)}
    located = locate_among(list(place_of), names)
    found = {name: place_of[located.file(name)] for name in names if name not in located.lost}
    if lost := [name for name in names if name in located.lost]:
        reason = located.lost[lost[0]]
        text = f"{len(lost)} of {len(names)} names are those of no image here: {lost[0]!r:.200}"
        wanted = reason.wanted or f"names of the {len(records)} images"
        severity: Severity = "info" if found else "error"
        problems.add(severity, "no such image", where, f"{text} ({reason.found})", wanted)
    return found
