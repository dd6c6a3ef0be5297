"""Points and brush strokes from Label Studio: its export *JSON*, a list of tasks."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, Field, ValidationError
from upath import UPath

from ray_wssis.data.imports.brush import from_brush
from ray_wssis.data.imports.export import (
    Mark,
    MarkedImage,
    Notes,
    Stroke,
    Unusable,
    checked,
)
from ray_wssis.data.imports.task_images import image_of, images_of

# Kinds of regions; the second of each has its label elsewhere.
KEY_POINTS = ("keypointlabels", "keypoint")
BRUSHES = ("brushlabels", "brush")


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
    original_width: int  # of the image as it is shown
    original_height: int
    image_rotation: float = 0
    is_positive: bool | None = None  # of a click for a model that was kept


class _Place(BaseModel):
    x: float  # percent
    y: float
    labels: list[str] = Field(alias="keypointlabels", min_length=1, max_length=1)


class _Brush(BaseModel):
    value: "_Code"
    original_width: int
    original_height: int
    image_rotation: float = 0


class _Code(BaseModel):
    rle: list[int]
    labels: list[str] = Field(alias="brushlabels", min_length=1, max_length=1)


def read_label_studio(export: UPath, notes: Notes) -> Iterator[MarkedImage]:
    """Read the images of a list of tasks; a task may have several.

    An image that somebody looked at without marking anything in the whole task is empty.
    """
    tasks = json.loads(export.read_bytes())
    entries = tasks if isinstance(tasks, list) else []
    if not any(isinstance(entry, dict) and "data" in entry for entry in entries):
        raise ValueError("no list of tasks with `data`; export `JSON`, not `JSON-MIN`")
    one_tag = len(set(_tags(entries))) == 1
    guessed: dict[str, str] = {}
    for place, entry in enumerate(entries):
        number = entry.get("id", place) if isinstance(entry, dict) else place
        with notes.item(f"task {number}") as where:
            yield from _read_task(where, checked(_Task, entry), one_tag, guessed, notes)
    if guessed:
        found = ", ".join(f"{tag!r:.40} is `{key:.40}`" for tag, key in guessed.items())
        notes.problems.add("info", "image tags", "tasks", found, "nothing, if that is right")


def _tags(tasks: list[Any]) -> Iterator[str]:
    """Yield the tag of the image of each region, as far as the tasks can be read."""
    for task in tasks:
        try:
            for annotation in _Task.model_validate(task).annotations:
                yield from (str(region.get("to_name", "")) for region in annotation.result)
        except ValidationError:
            continue


def _read_task(
    where: str, task: _Task, one_tag: bool, guessed: dict[str, str], notes: Notes
) -> list[MarkedImage]:
    """Read the images of a task, each with its key points and strokes.  Raises Unusable.

    `guessed` takes the keys of tags that have another name.
    """
    named = images_of(task.data)
    points: dict[str, list[Mark]] = defaultdict(list)
    strokes: dict[str, list[Stroke]] = defaultdict(list)
    sizes: dict[str, tuple[int, int]] = {}
    regions = _key_points(where, task.annotations, notes)
    for region in [*regions, *_brushes(task.annotations)]:
        with notes.item(f"{where}, region {region.get('id')}") as here:
            key = image_of(region, named, one_tag=one_tag)
            tag = str(region.get("to_name", ""))
            if len(named) > 1 and tag != key and "[" not in key:
                guessed[tag] = key
            if region.get("type") in BRUSHES:
                brush = checked(_Brush, region)
                strokes[key].append(_stroke(here, brush))
                sizes[key] = brush.original_height, brush.original_width
            else:
                point = checked(_KeyPoint, region)
                points[key].append(_mark(here, point))
                sizes[key] = point.original_height, point.original_width
    counted = [each for each in task.annotations if not each.was_cancelled]
    is_empty = bool(counted) and not any(each.result for each in counted)
    return [
        MarkedImage(
            where=f"{where} ({name:.200})",
            name=name,
            size=sizes.get(key),
            marks=points[key],
            strokes=strokes[key],
            is_empty=is_empty,
        )
        for key, name in named.items()
    ]


def _key_points(where: str, annotations: list[_Annotation], notes: Notes) -> list[dict[str, Any]]:
    """Return the key points of the latest annotation that has any: they replace earlier ones."""
    latest: list[dict[str, Any]] = []
    for annotation in sorted(annotations, key=lambda annotation: annotation.updated_at):
        here = f"{where}, annotation {annotation.id}"
        points, kinds = _regions(annotation.result, KEY_POINTS)
        if annotation.was_cancelled:
            found = f"cancelled, with {len(points)} key points"
            notes.problems.add(
                "info", "cancelled annotation", here, found, "submit it to make it count"
            )
            continue
        notes.others += Counter({kind: n for kind, n in kinds.items() if kind not in BRUSHES})
        if points and latest:
            found = f"another annotation with {len(latest)} key points is older"
            notes.problems.add(
                "info", "older annotation", here, found, "nothing: the latest one counts"
            )
        latest = points or latest
    return latest


def _brushes(annotations: list[_Annotation]) -> list[dict[str, Any]]:
    """Return the brush strokes of the latest annotation that has any."""
    latest: list[dict[str, Any]] = []
    for annotation in sorted(annotations, key=lambda annotation: annotation.updated_at):
        if not annotation.was_cancelled:
            latest = _regions(annotation.result, BRUSHES)[0] or latest
    return latest


def _regions(
    result: list[dict[str, Any]], wanted: tuple[str, str]
) -> tuple[list[dict[str, Any]], Counter[str]]:
    """Return the wanted regions of an annotation with their labels, and its other ones by kind.

    A region comes in two parts where its label is chosen with a `Labels` tag.
    """
    parts = [(f"{region.get('id')}", f"{region.get('type')}", region) for region in result]
    shapes = {number for number, kind, _ in parts if kind != "labels"}
    labels = {number: region.get("value") for number, kind, region in parts if kind == "labels"}
    taken, kinds = [], Counter[str]()
    for number, kind, region in parts:
        if kind in wanted:
            taken.append(_labelled(region, wanted[0], labels.get(number)))
        elif kind != "labels" or number not in shapes:
            kinds[kind] += 1
    return taken, kinds


def _labelled(region: dict[str, Any], key: str, label: Any) -> dict[str, Any]:
    """Return a region with the label that is elsewhere in it, if it has none under `key`."""
    value = region.get("value")
    if not isinstance(value, dict) or key in value:
        return region
    labels = value.get("labels") or (label.get("labels") if isinstance(label, dict) else None)
    return region if labels is None else region | {"value": value | {key: labels}}


def _mark(where: str, point: _KeyPoint) -> Mark:
    _check_upright(point.image_rotation)
    return Mark(
        where=where,
        class_name=point.value.labels[0],
        x=point.value.x / 100 * point.original_width,
        y=point.value.y / 100 * point.original_height,
        positive=point.is_positive is not False,
    )


def _stroke(where: str, brush: _Brush) -> Stroke:
    _check_upright(brush.image_rotation)
    try:
        mask = from_brush(brush.value.rle, brush.original_height, brush.original_width)
    except ValueError as error:
        raise Unusable("malformed brush", str(error), "`rle` as Label Studio writes it") from error
    return Stroke(where=where, class_name=brush.value.labels[0], kind=BRUSHES[0], mask=mask)


def _check_upright(rotation: float) -> None:
    if rotation:
        found = f"the image was turned by {rotation:g} degrees"
        raise Unusable("turned image", found, "turn it back in Label Studio and click there")
