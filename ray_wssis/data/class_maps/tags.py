"""Tags of images: the labels of all classes that an image may show.

Where a set has a class named `background`, it is in every list of tags, so whoever uses tags needs
no notion of background.
"""

import csv
import io
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from difflib import get_close_matches

import numpy as np
from upath import UPath

from ray_wssis.data.class_maps.names import find_places, no_such_images
from ray_wssis.data.class_maps.png import UNKNOWN, decode, pixels
from ray_wssis.data.points.draw import chance
from ray_wssis.data.problem import Problems, Severity
from ray_wssis.data.records import Category, Record, Records

BACKGROUND = "background"
TITLES = {"file", "file_name", "filename", "image", "name"}  # of a first line without an image
NUM_NAMES = 3  # unknown tags that a message names

Tags = dict[int, tuple[int, ...]]  # labels by image id


def background_of(categories: Sequence[Category]) -> tuple[int, ...]:
    """Return the label of the class named `background`, or nothing."""
    return tuple(label for label, entry in enumerate(categories) if entry.name == BACKGROUND)


def background_label(categories: Sequence[Category]) -> int | None:
    """Return the label of the class named `background`; None if there is none."""
    return next(iter(background_of(categories)), None)


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


def read_tags(file: str, records: Records, problems: Problems) -> Tags:
    """Read the tags of images from a table `file,tag;tag`, perhaps with a first line of titles.

    Lines of the same image add up; one without tags says that it shows no class but background.
    Names of images that are not there and of classes that are none are noted in `problems`.  Raises
    ValueError for a file that cannot be read.
    """
    rows = read_rows(file)
    places = find_places(list(rows), records)
    found = {name: place[0] for name, place in places.items() if len(place) == 1}
    if lost := [name for name in rows if name not in found]:
        severity: Severity = "warning" if found else "error"
        text = no_such_images(lost, len(rows), records)
        problems.add(severity, "no such image", file, text, "names of the images")
    label_of = {category.name: label for label, category in enumerate(records.categories)}
    always = background_of(records.categories)
    _note_unknown(file, rows, list(label_of), problems)
    return {
        records[place].image_id: tuple(
            sorted({*always, *(label_of[tag] for tag in rows[name] if tag in label_of)})
        )
        for name, place in found.items()
    }


def read_rows(file: str) -> dict[str, list[str]]:
    """Read the tags of a table by the name of the image, as they stand there.

    Raises ValueError for a file that cannot be read or has no line.
    """
    try:
        text = UPath(file).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{file}: the tags cannot be read ({error})") from error
    rows: dict[str, list[str]] = {}
    for fields in csv.reader(io.StringIO(text, newline="")):
        name = fields[0].strip() if fields else ""
        if name and (rows or name.casefold() not in TITLES):
            tags = (tag.strip() for field in fields[1:] for tag in field.split(";"))
            rows.setdefault(name, []).extend(filter(None, tags))
    if not rows:
        raise ValueError(f"{file}: there are no tags in it; a line is `file,tag;tag`")
    return rows


def _note_unknown(
    file: str, rows: Mapping[str, Sequence[str]], names: list[str], problems: Problems
) -> None:
    """Report tags that are no class, and which class was perhaps meant."""
    unknown = Counter(tag for tags in rows.values() for tag in tags if tag not in names)
    if not unknown:
        return
    named = []
    for tag, number in unknown.most_common(NUM_NAMES):
        near = get_close_matches(tag, names, 1)
        named.append(f"{tag!r:.40} ({number} times{f', did you mean {near[0]}?' if near else ''})")
    more = ["..."] if len(unknown) > NUM_NAMES else []
    found = f"{unknown.total()} tags are no class: {', '.join([*named, *more])}"
    first = ", ".join(names[:NUM_NAMES])
    wanted = f"names of the {len(names)} classes ({first}{', ...' * (len(names) > NUM_NAMES)})"
    problems.add("error", "unknown tag", file, found, wanted)


def note_contradictions(
    records: Records, said: Mapping[int, Sequence[int]], problems: Problems
) -> None:
    """Report images whose tags contradict their class map; `said` holds tags by image id.

    A tag without a pixel is none where pixels are unknown: the class may be there.
    """
    always = set(background_of(records.categories))

    def compare(record: Record) -> tuple[set[int], set[int]]:
        """Return the labels that tags lack, and those that they have without a pixel."""
        assert record.class_map is not None
        counts = pixels(decode(record.class_map))
        shown = set(np.flatnonzero(counts[:UNKNOWN]).tolist())
        tags = set(said[record.image_id])
        return shown - tags, set() if counts[UNKNOWN] else tags - shown - always

    both = [record for record in records if record.class_map and record.image_id in said]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        compared = list(pool.map(compare, both))
    lacking = [
        (x.file, min(labels)) for x, (labels, _) in zip(both, compared, strict=True) if labels
    ]
    surplus = [
        (x.file, min(labels)) for x, (_, labels) in zip(both, compared, strict=True) if labels
    ]
    for odd, what in (
        (lacking, "lack the tag of a class that their class map shows"),
        (surplus, "have the tag of a class that their class map does not show"),
    ):
        if odd:
            file, label = odd[0]
            name = records.categories[label].name
            found = f"{len(odd)} of {len(both)} images {what}, {name} for instance"
            problems.add("warning", "tags against map", file, found, "tags of what the image shows")
