"""Points from a table with the columns image (or file), x, y, class, perhaps object, positive."""

import csv
import io
from collections import Counter
from collections.abc import Iterable
from math import isnan

from pydantic import BaseModel, Field
from upath import UPath

from ray_wssis.data.imports.export import Mark, MarkedImage, Notes, checked

NO_OBJECT = {"", "nan", "none", "null", "na", "n/a", "<na>", "-"}  # lower case


class _Row(BaseModel):
    image: str
    class_name: str = Field(alias="class")
    x: float
    y: float
    object: str = ""
    positive: bool = True


def read_csv(export: UPath, notes: Notes) -> Iterable[MarkedImage]:
    """Read the images of a table; rows of one image need not be adjacent.

    Raises ValueError for a table without the columns, and for lines with more fields than those.
    """
    text = export.read_text(encoding="utf-8-sig")
    rows = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    names = list(rows.fieldnames or ())
    if "image" not in names:  # other tables name images so
        rows.fieldnames = ["image" if name == "file" else name for name in names]
    missing = {"image", "x", "y", "class"} - set(rows.fieldnames or ())
    if missing:
        raise ValueError(
            f"no column {', '.join(sorted(missing))}; its first line must be "
            f"image,x,y,class, it is {','.join(rows.fieldnames or ())!r:.60}"
        )
    images: dict[str, MarkedImage] = {}
    surplus: list[int] = []  # lines
    objects: Counter[str] = Counter()
    for entry in rows:
        if any(entry.pop(None, ())):  # fields without a column
            surplus.append(rows.line_num)
            continue
        with notes.item(f"line {rows.line_num} ({entry['image']})") as where:
            row = checked(_Row, {key: text for key, text in entry.items() if key and text})
            objects[row.object.strip()] += 1
            image = MarkedImage(where=row.image, name=row.image)
            images.setdefault(row.image, image).marks.append(
                Mark(
                    where=where,
                    class_name=row.class_name,
                    x=row.x,
                    y=row.y,
                    group=_group(row.object),
                    positive=row.positive,
                )
            )
    if surplus:
        raise ValueError(
            f"line {surplus[0]} has more fields than the first line has columns, so nothing tells "
            f"which is which ({len(surplus)} such lines): put a field with a comma in quotes, and "
            f"write decimals with a dot"
        )
    _note_objects(objects, notes)
    return images.values()


def _group(text: str) -> str:
    """Return what rows of one object share, nothing for an object of its own.

    Programs write 0, -1 or nan where there is no number, and 3.0 for 3.
    """
    text = text.strip()
    if text.lower() in NO_OBJECT:
        return ""
    try:
        number = float(text)
    except ValueError:
        return text
    if isnan(number) or number in (0, -1):
        return ""
    return f"{number:g}"


def _note_objects(objects: Counter[str], notes: Notes) -> None:
    """Note the rows whose `object` says nothing; a mistake where 0 is one number among others."""
    ignored = {text: count for text, count in objects.items() if text and not _group(text)}
    if not ignored:
        return
    is_numbered = any(_group(text) for text in objects) and "0" in ignored
    notes.problems.add(
        "warning" if is_numbered else "info",
        "no object",
        "column object",
        f"{sum(ignored.values())} rows with {', '.join(sorted(ignored))}: objects of their own",
        "numbers from 1 on, or names, for rows of one object",
    )
