"""Lists of image names, a line each, as data sets publish their splits."""

import logging
from collections import defaultdict
from collections.abc import Sequence
from posixpath import splitext

from upath import UPath

from ray_wssis.data.coco.file import load_json
from ray_wssis.data.coco.images import image_name
from ray_wssis.data.images.listing import nearest_files
from ray_wssis.data.images.names import IMAGE_SUFFIXES
from ray_wssis.data.records import Records

logger = logging.getLogger(__name__)


def stem(name: str) -> str:
    """Return a path without the suffix of an image."""
    start, suffix = splitext(name)
    return start if suffix.casefold() in IMAGE_SUFFIXES else name


def read_names(file: str) -> list[str]:
    """Read the names in a list: a name a line, perhaps with suffix or folders.

    A COCO file is a list of its images.  Some lists name the class map too, after the image; it is
    left out.  A name that is there twice is taken once, with a warning.  Raises ValueError for a
    file that cannot be read or is empty.
    """
    try:
        lines = _lines(file)
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{file}: the list of images cannot be read ({error})") from error
    names = [_first(line.strip()) for line in lines if line.strip()]
    if not names:
        raise ValueError(f"{file}: the list of images is empty; a name a line is needed")
    once = list(dict.fromkeys(names))
    if len(once) < len(names):
        twice = next(name for place, name in enumerate(names) if name in names[:place])
        logger.warning(
            "%s: %d of %d names are there before, for instance %s: each counts once",
            file,
            len(names) - len(once),
            len(names),
            twice,
        )
    return once


def is_coco_list(file: str) -> bool:
    """Tell whether a list of images is a COCO file."""
    return file.lower().endswith(".json")


def _lines(file: str) -> list[str]:
    if is_coco_list(file):
        return [image_name(entry) or "" for entry in load_json(file)["images"]]
    return UPath(file).read_text(encoding="utf-8-sig").splitlines()


def _first(line: str) -> str:
    """Return the image of a line that names an image and its class map."""
    words = line.split()
    both = len(words) == 2 and all(stem(word) != word for word in words)
    return words[0] if both else line


def places_of(names: Sequence[str], records: Records, file: str) -> list[int]:
    """Return the places of the named images among the records, in the order of the names.

    Raises ValueError, naming the list `file`, for names that are no image or several.
    """
    found = find_places(names, records)
    if lost := [name for name in names if len(found[name]) != 1]:
        raise ValueError(f"{file}: {no_such_images(lost, len(names), records)}")
    return [places[0] for places in found.values()]


def find_places(names: Sequence[str], records: Records) -> dict[str, list[int]]:
    """Find the places of the images that each name may mean.

    A name counts with or without suffix, and with as many folders as it has.
    """
    by_last: dict[str, list[tuple[str, int]]] = defaultdict(list)
    for place, record in enumerate(records):
        path = stem(record.file)
        by_last[path.rpartition("/")[2]].append((f"/{path}", place))
    found: dict[str, list[int]] = {}
    for name in names:
        wanted = "/" + stem(name).strip("/")
        fits = by_last.get(wanted.rpartition("/")[2], [])
        found[name] = [place for path, place in fits if path.endswith(wanted)]
    return found


def no_such_images(lost: Sequence[str], total: int, records: Records) -> str:
    """Say that `lost` names are not those of one image each, with the nearest file."""
    first = lost[0]
    if len(find_places([first], records)[first]) > 1:
        return (
            f"{len(lost)} of {total} names are not those of one image, for instance {first}: "
            "several have it; write the folder in front"
        )
    near = nearest_files([first], [record.file for record in records]).get(first)
    hint = f"did you mean {near}?" if near else f"there are {len(records)} images"
    return f"{len(lost)} of {total} names are not those of one image, for instance {first}; {hint}"
