"""Points from LabelMe: a folder with a JSON file for each image."""

import json
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

from pydantic import BaseModel, Field
from upath import UPath

from ray_wssis.data.imports.export import Mark, MarkedImage, Notes, Unusable, checked
from ray_wssis.storage import files_under


class _File(BaseModel):
    name: str = Field(alias="imagePath")
    height: int | None = Field(None, alias="imageHeight")
    width: int | None = Field(None, alias="imageWidth")
    shapes: list[Any]

    @property
    def size(self) -> tuple[int, int] | None:
        return (self.height, self.width) if self.height and self.width else None


class _Shape(BaseModel):
    label: str
    points: list[tuple[float, float]] = Field(min_length=1, max_length=1)
    group_id: int | str | None = None


def read_labelme(export: UPath, notes: Notes) -> Iterator[MarkedImage]:
    """Read the images of a folder; their names are relative to their JSON files."""
    files = [file for file in files_under(export) if file.endswith(".json")]
    if not files:
        raise ValueError("no JSON file in the folder")
    for file in files:
        with notes.item(file):
            labelled = checked(_File, _json_of(export / file))
            yield MarkedImage(
                where=file,
                name=str(PurePosixPath(file).parent / labelled.name.replace("\\", "/")),
                size=labelled.size,
                marks=_marks(file, labelled.shapes, notes),
            )


def _json_of(file: UPath) -> Any:
    try:
        return json.loads(file.read_bytes())
    except ValueError as error:
        raise Unusable("unreadable file", f"not JSON ({error})", "a LabelMe file") from error


def _marks(file: str, shapes: list[Any], notes: Notes) -> list[Mark]:
    marks = []
    for place, entry in enumerate(shapes):
        kind = entry.get("shape_type") if isinstance(entry, dict) else "malformed shape"
        if kind != "point":
            notes.others[f"{kind or 'polygon'}"] += 1  # old files leave polygons without a type
            continue
        with notes.item(f"{file}, shape {place}") as where:
            shape = checked(_Shape, entry)
            x, y = shape.points[0]
            group = "" if shape.group_id is None else f"{shape.group_id}"
            marks.append(Mark(where=where, class_name=shape.label, x=x, y=y, group=group))
    return marks
