"""What other labelling tools write, read into pictures with the points that people clicked.

A table, CVAT's XML, LabelMe's folder of JSON files, Label Studio's list of tasks: one reader each.
Whatever an export says that cannot be used is noted and left out; the rest goes on.

Places count from the corner of the picture as it is shown, as ours do.
"""

import csv
import io
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Any, TypeVar
from urllib.parse import unquote
from xml.etree import ElementTree

from pydantic import BaseModel, Field, ValidationError
from upath import UPath

from ray_wssis.data.check import Problem, Severity
from ray_wssis.storage import files_under

Model = TypeVar("Model", bound=BaseModel)


class ExportFormat(StrEnum):
    """What an export is."""

    CSV = "csv"  # a table with the columns image, x, y, class, perhaps object, positive
    CVAT = "cvat"  # annotations.xml of "CVAT for images 1.1"
    LABELME = "labelme"  # a folder with a JSON file for each picture
    LABEL_STUDIO = "label-studio"  # its "JSON", a list of tasks


@dataclass(frozen=True, kw_only=True)
class Mark:
    """A point as its tool has it."""

    where: str  # for messages
    class_name: str
    x: float  # pixels
    y: float
    group: str = ""  # marks of one class and group are one object; "": an object of its own
    positive: bool = True


@dataclass(frozen=True, kw_only=True)
class MarkedPicture:
    """A picture as its tool has it."""

    where: str  # for messages
    name: str  # a path or an address
    size: tuple[int, int] | None = None  # (height, width) that it had there, where that is known
    marks: list[Mark] = field(default_factory=list)


class Unusable(ValueError):
    """A thing of an export that has to be left out."""

    def __init__(self, kind: str, found: str, wanted: str) -> None:
        super().__init__(kind, found, wanted)
        self.kind, self.found, self.wanted = kind, found, wanted


class Notes:
    """What was left out, and why."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self.others: Counter[str] = Counter()

    def add(self, kind: str, where: str, found: str, wanted: str, severity: Severity) -> None:
        self.problems.append(
            Problem(severity=severity, kind=kind, where=where, found=found, wanted=wanted)
        )

    @contextmanager
    def item(self, where: str) -> Iterator[str]:
        """Notes an item that turns out to be unusable, and goes on; gives `where` again."""
        try:
            yield where
        except Unusable as error:
            self.add(error.kind, where, error.found, error.wanted, "warning")


def read_export(export: UPath, export_format: ExportFormat, notes: Notes) -> list[MarkedPicture]:
    """All pictures of an export, also those without marks.

    Raises ValueError when it cannot be understood at all.
    """
    try:
        return list(READERS[export_format](export, notes))
    except (ValueError, csv.Error, ElementTree.ParseError) as error:
        raise ValueError(f"{export}: no export of the kind {export_format}: {error}") from error


def recognise(export: UPath) -> ExportFormat:
    """The format of an export by its name.  Raises ValueError when that does not say."""
    if export.is_dir():
        return ExportFormat.LABELME
    formats = {
        ".csv": ExportFormat.CSV,
        ".xml": ExportFormat.CVAT,
        ".json": ExportFormat.LABEL_STUDIO,
    }
    if export.suffix.lower() not in formats:
        raise ValueError(
            f"{export}: no .csv, .xml, .json or folder of JSON files. Unpack an archive; for a "
            f"file by another name give --format"
        )
    return formats[export.suffix.lower()]


class _Row(BaseModel):
    image: str
    class_name: str = Field(alias="class")
    x: float
    y: float
    object: str = ""
    positive: bool = True


def _read_csv(export: UPath, notes: Notes) -> Iterable[MarkedPicture]:
    """Rows of one picture need not stand together."""
    rows = csv.DictReader(io.StringIO(export.read_text(encoding="utf-8-sig"), newline=""))
    missing = {"image", "x", "y", "class"} - set(rows.fieldnames or ())
    if missing:
        raise ValueError(
            f"no column {', '.join(sorted(missing))}; its first line is to be "
            f"image,x,y,class and is {','.join(rows.fieldnames or ())!r:.60}"
        )
    pictures: dict[str, MarkedPicture] = {}
    for entry in rows:
        with notes.item(f"line {rows.line_num} ({entry['image']})") as where:
            row = _checked(_Row, {key: text for key, text in entry.items() if key and text})
            picture = MarkedPicture(where=row.image, name=row.image)
            pictures.setdefault(row.image, picture).marks.append(
                Mark(
                    where=where,
                    class_name=row.class_name,
                    x=row.x,
                    y=row.y,
                    group=row.object,
                    positive=row.positive,
                )
            )
    return pictures.values()


class _CvatImage(BaseModel):
    name: str
    subset: str = ""  # of a project
    width: int
    height: int


class _CvatPoints(BaseModel):
    label: str
    points: str
    group_id: str = ""


def _read_cvat(export: UPath, notes: Notes) -> Iterator[MarkedPicture]:
    """A shape may hold several points: of one object each, unless it is in a group."""
    root = ElementTree.fromstring(export.read_bytes())
    if root.find("image") is None:
        raise ValueError("no <image> in it; export `CVAT for images 1.1`, also from a video")
    for number, element in enumerate(root.findall("image")):
        with notes.item(f"image {element.get('name', number)}"):
            image = _checked(_CvatImage, element.attrib)
            name = f"{image.subset}/{image.name}" if image.subset else image.name
            picture = MarkedPicture(
                where=f"image {name}", name=name, size=(image.height, image.width)
            )
            for place, shape in enumerate(element):
                if shape.tag == "points":
                    with notes.item(f"{picture.where}, shape {place}") as where:
                        picture.marks.extend(_cvat_marks(where, shape))
                else:
                    notes.others[shape.tag] += 1
            yield picture


def _cvat_marks(where: str, element: ElementTree.Element) -> list[Mark]:
    shape = _checked(_CvatPoints, element.attrib)
    try:
        places = [map(float, place.split(",")) for place in shape.points.split(";")]
        return [
            Mark(where=where, class_name=shape.label, x=x, y=y, group=shape.group_id)
            for x, y in places
        ]
    except ValueError as error:
        wanted = "x,y or x,y;x,y;... in pixels"
        raise Unusable("malformed point", f"points={shape.points!r:.40}", wanted) from error


class _LabelMeFile(BaseModel):
    name: str = Field(alias="imagePath")
    height: int | None = Field(None, alias="imageHeight")
    width: int | None = Field(None, alias="imageWidth")
    shapes: list[Any]

    @property
    def size(self) -> tuple[int, int] | None:
        return (self.height, self.width) if self.height and self.width else None


class _LabelMeShape(BaseModel):
    label: str
    points: list[tuple[float, float]] = Field(min_length=1, max_length=1)
    group_id: int | str | None = None


def _read_labelme(export: UPath, notes: Notes) -> Iterator[MarkedPicture]:
    """Names of pictures are relative to their JSON files."""
    files = [file for file in files_under(export) if file.endswith(".json")]
    if not files:
        raise ValueError("no JSON file in the folder")
    for file in files:
        with notes.item(file):
            labelled = _checked(_LabelMeFile, _json_of(export / file))
            yield MarkedPicture(
                where=file,
                name=str(PurePosixPath(file).parent / labelled.name.replace("\\", "/")),
                size=labelled.size,
                marks=_labelme_marks(file, labelled.shapes, notes),
            )


def _json_of(file: UPath) -> Any:
    try:
        return json.loads(file.read_bytes())
    except ValueError as error:
        raise Unusable("unreadable file", f"not JSON ({error})", "a LabelMe file") from error


def _labelme_marks(file: str, shapes: list[Any], notes: Notes) -> list[Mark]:
    marks = []
    for place, entry in enumerate(shapes):
        kind = entry.get("shape_type") if isinstance(entry, dict) else "malformed shape"
        if kind != "point":
            notes.others[f"{kind or 'polygon'}"] += 1  # old files leave polygons without a type
            continue
        with notes.item(f"{file}, shape {place}") as where:
            shape = _checked(_LabelMeShape, entry)
            x, y = shape.points[0]
            group = "" if shape.group_id is None else f"{shape.group_id}"
            marks.append(Mark(where=where, class_name=shape.label, x=x, y=y, group=group))
    return marks


class _Task(BaseModel):
    data: dict[str, Any]
    annotations: list["_Annotation"]


class _Annotation(BaseModel):
    id: int | str = "without id"
    was_cancelled: bool = False
    updated_at: str = ""
    result: list[dict[str, Any]]


class _KeyPoint(BaseModel):
    value: "_Place"
    original_width: int  # of the picture as it is shown
    original_height: int
    image_rotation: float = 0
    is_positive: bool | None = None  # of a click for a model that was kept


class _Place(BaseModel):
    x: float  # percent
    y: float
    labels: list[str] = Field(alias="keypointlabels", min_length=1, max_length=1)


def _read_label_studio(export: UPath, notes: Notes) -> Iterator[MarkedPicture]:
    tasks = json.loads(export.read_bytes())
    entries = tasks if isinstance(tasks, list) else []
    if not any(isinstance(entry, dict) and "data" in entry for entry in entries):
        raise ValueError("no list of tasks with `data`; export `JSON`, not `JSON-MIN`")
    for place, entry in enumerate(entries):
        number = entry.get("id", place) if isinstance(entry, dict) else place
        with notes.item(f"task {number}") as task_name:
            task = _checked(_Task, entry)
            marks, size = [], None
            for region in _key_points(task_name, task.annotations, notes):
                with notes.item(f"{task_name}, region {region.get('id')}") as where:
                    point = _checked(_KeyPoint, region)
                    marks.append(_label_studio_mark(where, point))
                    size = (point.original_height, point.original_width)
            name = _address(task.data)
            yield MarkedPicture(where=f"{task_name} ({name})", name=name, size=size, marks=marks)


def _address(data: dict[str, Any]) -> str:
    """Where Label Studio has the picture of a task."""
    texts = [value for value in data.values() if isinstance(value, str)]
    text = data["image"] if isinstance(data.get("image"), str) else texts[0] if texts else ""
    if not text or (len(texts) > 1 and "image" not in data):
        found = f"its data has {', '.join(data) or 'nothing'}"
        raise Unusable("task without picture", found, "the picture as `image`, or as the only text")
    path, _, query = text.partition("?")
    return unquote(query.removeprefix("d=") if query.startswith("d=") else path)


def _key_points(where: str, annotations: list[_Annotation], notes: Notes) -> list[dict[str, Any]]:
    """Those of the latest annotation that has any: earlier ones are of the same objects."""
    latest: list[dict[str, Any]] = []
    for annotation in sorted(annotations, key=lambda each: each.updated_at):
        here = f"{where}, annotation {annotation.id}"
        points, kinds = [], Counter[str]()
        for region in annotation.result:
            if region.get("type") in ("keypointlabels", "keypoint"):  # without a label, the latter
                points.append(region)
            else:
                kinds[f"{region.get('type')}"] += 1
        if annotation.was_cancelled:
            found = f"cancelled, with {len(points)} key points"
            notes.add("cancelled annotation", here, found, "submit it, if it is to count", "info")
            continue
        notes.others += kinds
        if points and latest:
            found = f"another annotation with {len(latest)} key points is older"
            notes.add("older annotation", here, found, "nothing: the latest one counts", "info")
        latest = points or latest
    return latest


def _label_studio_mark(where: str, point: _KeyPoint) -> Mark:
    if point.image_rotation:
        found = f"the picture was turned by {point.image_rotation:g} degrees"
        raise Unusable("turned picture", found, "turn it back in Label Studio and click there")
    return Mark(
        where=where,
        class_name=point.value.labels[0],
        x=point.value.x / 100 * point.original_width,
        y=point.value.y / 100 * point.original_height,
        positive=point.is_positive is not False,
    )


READERS: dict[ExportFormat, Callable[[UPath, Notes], Iterable[MarkedPicture]]] = {
    ExportFormat.CSV: _read_csv,
    ExportFormat.CVAT: _read_cvat,
    ExportFormat.LABELME: _read_labelme,
    ExportFormat.LABEL_STUDIO: _read_label_studio,
}


def _checked(model: type[Model], entry: Any) -> Model:
    try:
        return model.model_validate(entry)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        found = f"{where}: {first['msg']}" if where else first["msg"]
        fields = (info.alias or name for name, info in model.model_fields.items())
        raise Unusable("malformed entry", found, f"an entry with {', '.join(fields)}") from error
