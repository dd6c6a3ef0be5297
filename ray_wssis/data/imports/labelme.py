"""Points and lines from LabelMe: a folder with a JSON file for each image."""

import json
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

from pydantic import BaseModel, Field
from upath import UPath

from ray_wssis.data.imports.export import (
    Mark,
    MarkedImage,
    Notes,
    Stroke,
    Unusable,
    checked,
)
from ray_wssis.storage import files_under

LINES = ("line", "linestrip")


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


class _Line(BaseModel):
    label: str
    points: tuple[tuple[float, float], ...] = Field(min_length=1)


def read_labelme(export: UPath, notes: Notes) -> Iterator[MarkedImage]:
    """Read the images of a folder; their names are relative to their JSON files."""
    files = [file for file in files_under(export) if file.endswith(".json")]
    if not files:
        raise ValueError("no JSON file in the folder")
    for file in files:
        with notes.item(file):
            labelled = checked(_File, _json_of(export / file))
            image = MarkedImage(
                where=file,
                name=str(PurePosixPath(file).parent / labelled.name.replace("\\", "/")),
                size=labelled.size,
            )
            for place, shape in enumerate(labelled.shapes):
                with notes.item(f"{file}, shape {place}") as where:
                    _read_shape(where, shape, image, notes)
            yield image


def _json_of(file: UPath) -> Any:
    try:
        return json.loads(file.read_bytes())
    except ValueError as error:
        raise Unusable("unreadable file", f"not JSON ({error})", "a LabelMe file") from error


def _read_shape(where: str, entry: Any, image: MarkedImage, notes: Notes) -> None:
    """Add a shape to its image, or count it.  Raises Unusable."""
    kind = entry.get("shape_type") if isinstance(entry, dict) else "malformed shape"
    if kind == "point":
        shape = checked(_Shape, entry)
        x, y = shape.points[0]
        group = "" if shape.group_id is None else f"{shape.group_id}"
        image.marks.append(Mark(where=where, class_name=shape.label, x=x, y=y, group=group))
    elif kind in LINES:
        line = checked(_Line, entry)
        stroke = Stroke(where=where, class_name=line.label, kind=kind, places=line.points)
        image.strokes.append(stroke)
    else:
        notes.others[f"{kind or 'polygon'}"] += 1  # old files leave polygons without a type
