"""Remedies for ids of a COCO file: double, missing, no numbers, classes counted from 0."""

from collections.abc import Iterator
from typing import Any

from ray_wssis.data.coco.class_ids import off_by, used_ids
from ray_wssis.data.coco.fields import whole_number
from ray_wssis.data.coco.file import LISTS
from ray_wssis.data.fix.values import Fix

REFERENCES = {"images": "image_id", "categories": "category_id"}  # in annotations


def fix_doubles(data: dict[str, Any]) -> list[Fix]:
    """Remove entries that are there twice with the same id and the same content."""
    fixes = []
    for plural in LISTS:
        first: dict[str, Any] = {}  # by id, as text: some ids are no numbers
        kept = []
        for entry in data[plural]:
            key = repr(entry.get("id")) if isinstance(entry, dict) else repr(entry)
            if key == "None" or first.setdefault(key, entry) is entry or first[key] != entry:
                kept.append(entry)
        removed = len(data[plural]) - len(kept)
        if removed:
            cause = f"{plural} that are there twice, with the same id"
            fixes.append(Fix(cause=cause, number=removed, done="one of each kept"))
            data[plural] = kept
    return fixes


def fix_ids(data: dict[str, Any]) -> list[Fix]:
    """Give new ids where they are missing, double or no whole numbers.

    Ids of images and categories that are no numbers change in the annotations too.  Double ids of
    images and categories stay, because nothing tells which one an annotation means.
    """
    fixes = []
    for plural, key in REFERENCES.items():
        new_ids = _free_ids(data[plural])
        renamed: dict[str, int] = {}
        num_missing = 0
        for entry in data[plural]:
            if not isinstance(entry, dict) or _is_whole(entry, "id"):
                continue
            old, entry["id"] = entry.get("id"), next(new_ids)
            num_missing += 1
            if old is not None:
                renamed.setdefault(repr(old), entry["id"])
        if plural == "categories":
            renamed |= _ids_by_name(data[plural])
        num_changed = sum(_renamed(entry, key, renamed) for entry in data["annotations"])
        if num_missing:
            cause = f"{plural} without a whole number as id"
            fixes.append(Fix(cause=cause, number=num_missing, done="new ids"))
        if num_changed:
            cause = f"annotations whose `{key}` is no whole number"
            done = f"the ids of the {plural} that they name"
            fixes.append(Fix(cause=cause, number=num_changed, done=done))
    return fixes + _fix_annotation_ids(data["annotations"])


def fix_class_ids(data: dict[str, Any]) -> list[Fix]:
    """Shift category ids of annotations that are counted from 0 where categories begin at 1."""
    used = used_ids(data["annotations"])
    known = {entry["id"] for entry in data["categories"] if _is_whole(entry, "id")}
    step = off_by(used, known)
    if not step:
        return []
    num_changed = 0
    for entry in data["annotations"]:
        if _is_whole(entry, "category_id"):
            entry["category_id"] = whole_number(entry, "category_id", "") + step
            num_changed += 1
    return [
        Fix(
            cause=f"category ids off by one: from {min(used)} in annotations, from {min(known)} in "
            "categories",
            number=num_changed,
            done=f"{step:+d} in annotations; look whether the classes are right now",
        )
    ]


def _fix_annotation_ids(annotations: list[Any]) -> list[Fix]:
    """Give new ids to annotations; of several with one id, the first keeps it."""
    new_ids = _free_ids(annotations)
    seen: set[int] = set()
    num_missing = num_double = 0
    for entry in annotations:
        if not isinstance(entry, dict):
            continue
        if not _is_whole(entry, "id"):
            entry["id"] = next(new_ids)
            num_missing += 1
        elif whole_number(entry, "id", "") in seen:
            entry["id"] = next(new_ids)
            num_double += 1
        seen.add(whole_number(entry, "id", ""))
    found = {"double ids of annotations": num_double}
    found["annotations without a whole number as id"] = num_missing
    return [Fix(cause=cause, number=n, done="new ids") for cause, n in found.items() if n]


def _renamed(entry: Any, key: str, renamed: dict[str, int]) -> bool:
    """Change a reference of an annotation that is no whole number; tell whether it was changed."""
    if not isinstance(entry, dict) or _is_whole(entry, key) or repr(entry.get(key)) not in renamed:
        return False
    entry[key] = renamed[repr(entry[key])]
    return True


def _ids_by_name(categories: list[Any]) -> dict[str, int]:
    """Return the ids of categories by the text of their names."""
    known = [entry for entry in categories if _is_whole(entry, "id")]
    return {repr(e["name"]): e["id"] for e in known if isinstance(e.get("name"), str)}


def _free_ids(entries: list[Any]) -> Iterator[int]:
    """Yield ids above all that are taken."""
    taken = [whole_number(entry, "id", "") for entry in entries if _is_whole(entry, "id")]
    number = max([0, *taken])
    while True:
        number += 1
        yield number


def _is_whole(entry: Any, key: str) -> bool:
    try:
        whole_number(entry, key, "")
    except ValueError:
        return False
    return True
