"""Key points of Label Studio -> objects to be drawn.

Label Studio gives places in percent of the image as displayed.
"""

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, Field, ValidationError

from ray_wssis.data.records import Click
from wssis_serve.errors import unprocessable
from wssis_serve.http.schemas import Coordinate
from wssis_serve.label_studio.project import listed
from wssis_serve.segmented import PointQuery

Region = dict[str, Any]  # an entry of `result`, as Label Studio writes it
Size = tuple[int, int]  # (width, height) in pixels


class Marks(BaseModel):
    """Regions drawn on an image: an annotation, a draft or the context of a click."""

    result: list[Region] | None = None
    was_cancelled: bool = False
    updated_at: str = ""  # ISO 8601, always in the same time zone


class Task(BaseModel):
    data: dict[str, Any]
    annotations: list[Marks] = []
    drafts: list[Marks] = []


class Place(BaseModel):
    x: Coordinate  # percent of the width
    y: Coordinate  # percent of the height
    keypointlabels: list[str] = Field(min_length=1)


class KeyPoint(BaseModel):
    value: Place
    is_positive: bool | None = None  # a click on the object, or off it; None: a stored point
    image_rotation: float = 0  # degrees, by which a person turned the image

    @property
    def class_name(self) -> str:
        return self.value.keypointlabels[0]


def key_points(marks: Marks) -> list[KeyPoint]:
    """The key points with a label among regions of all kinds."""
    try:
        return [
            KeyPoint.model_validate(region)
            for region in marks.result or []
            if region.get("type") == "keypointlabels"
        ]
    except ValidationError as error:
        where = ".".join(map(str, error.errors()[0]["loc"]))
        raise unprocessable(f"a key point: {where}: {error.errors()[0]['msg']}") from None


def latest_first(task: Task) -> list[Marks]:
    """Annotations and drafts that count, the latest first."""
    candidates = [*task.drafts, *(marks for marks in task.annotations if not marks.was_cancelled)]
    return sorted(candidates, key=lambda marks: marks.updated_at, reverse=True)


def stored_points(task: Task) -> list[KeyPoint]:
    """The points of the latest annotation or draft that has any."""
    for marks in latest_first(task):
        if points := [point for point in key_points(marks) if point.is_positive is not False]:
            return points
    return []


def pointed_objects(points: list[KeyPoint], size: Size, known: Sequence[str]) -> list[PointQuery]:
    """One object for each point.  `known` are the names of the model's classes."""
    return [object_of([point], size, known) for point in points]


def clicked_objects(points: list[KeyPoint], size: Size, known: Sequence[str]) -> list[PointQuery]:
    """One object for each class: its first click on the object is the point.

    A class that was only clicked off the object has none.  Label Studio also sends the stored
    points of the clicked class; they are other objects.
    """
    by_class: dict[str, list[KeyPoint]] = {}
    clicks = [point for point in points if point.is_positive is not None]
    for click in sorted(clicks, key=lambda click: not click.is_positive):
        by_class.setdefault(click.class_name, []).append(click)
    return [object_of(clicks, size, known) for clicks in by_class.values() if clicks[0].is_positive]


def object_of(points: list[KeyPoint], size: Size, known: Sequence[str]) -> PointQuery:
    """The object at the first of these points; the others are its extra clicks.

    Raises ApiError 422 for a class that the model does not know.
    """
    name = points[0].class_name
    if name not in known:
        raise unprocessable(
            f"a key point of {name[:60]!r}, which is no class of the model; it knows "
            f"{listed(known)}"
        )
    (x, y), *extra = (in_pixels(point, size) for point in points)
    clicks = [
        Click(*place, bool(point.is_positive))
        for place, point in zip(extra, points[1:], strict=True)
    ]
    return PointQuery(x=x, y=y, category=name, clicks=clicks)


def in_pixels(point: KeyPoint, size: Size) -> tuple[float, float]:
    """The place (x, y) of a key point in pixels, moved into the image if it is outside."""
    if point.image_rotation:
        raise unprocessable("the image was rotated in Label Studio; rotate it back before clicking")
    x, y = (
        min(max(percent / 100 * side, 0.5), side - 0.5)
        for percent, side in zip((point.value.x, point.value.y), size, strict=True)
    )
    return x, y
