"""Points from a table with the columns image, x, y, class, and perhaps object and positive."""

import csv
import io
from collections.abc import Iterable

from pydantic import BaseModel, Field
from upath import UPath

from ray_wssis.data.imports.export import Mark, MarkedImage, Notes, checked


class _Row(BaseModel):
    image: str
    class_name: str = Field(alias="class")
    x: float
    y: float
    object: str = ""
    positive: bool = True


def read_csv(export: UPath, notes: Notes) -> Iterable[MarkedImage]:
    """Read the images of a table; rows of one image need not be adjacent."""
    rows = csv.DictReader(io.StringIO(export.read_text(encoding="utf-8-sig"), newline=""))
    missing = {"image", "x", "y", "class"} - set(rows.fieldnames or ())
    if missing:
        raise ValueError(
            f"no column {', '.join(sorted(missing))}; its first line must be "
            f"image,x,y,class, it is {','.join(rows.fieldnames or ())!r:.60}"
        )
    images: dict[str, MarkedImage] = {}
    for entry in rows:
        with notes.item(f"line {rows.line_num} ({entry['image']})") as where:
            row = checked(_Row, {key: text for key, text in entry.items() if key and text})
            image = MarkedImage(where=row.image, name=row.image)
            images.setdefault(row.image, image).marks.append(
                Mark(
                    where=where,
                    class_name=row.class_name,
                    x=row.x,
                    y=row.y,
                    group=row.object,
                    positive=row.positive,
                )
            )
    return images.values()
