"""Points from Label Studio: its export *JSON*, a list of tasks."""

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

from pydantic import BaseModel, Field
from upath import UPath

from ray_wssis.data.imports.export import Mark, MarkedImage, Notes, Unusable, checked


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


def read_label_studio(export: UPath, notes: Notes) -> Iterator[MarkedImage]:
    """Read the images of a list of tasks."""
    tasks = json.loads(export.read_bytes())
    entries = tasks if isinstance(tasks, list) else []
    if not any(isinstance(entry, dict) and "data" in entry for entry in entries):
        raise ValueError("no list of tasks with `data`; export `JSON`, not `JSON-MIN`")
    for place, entry in enumerate(entries):
        number = entry.get("id", place) if isinstance(entry, dict) else place
        with notes.item(f"task {number}") as task_name:
            task = checked(_Task, entry)
            marks, size = [], None
            for region in _key_points(task_name, task.annotations, notes):
                with notes.item(f"{task_name}, region {region.get('id')}") as where:
                    point = checked(_KeyPoint, region)
                    marks.append(_mark(where, point))
                    size = (point.original_height, point.original_width)
            name = _address(task.data)
            yield MarkedImage(where=f"{task_name} ({name})", name=name, size=size, marks=marks)


def _address(data: dict[str, Any]) -> str:
    """Return the path or address of a task's image in Label Studio."""
    texts = [value for value in data.values() if isinstance(value, str)]
    text = data["image"] if isinstance(data.get("image"), str) else texts[0] if texts else ""
    if not text or (len(texts) > 1 and "image" not in data):
        found = f"its data has {', '.join(data) or 'nothing'}"
        raise Unusable("task without image", found, "the image as `image`, or as the only text")
    path, _, query = text.partition("?")
    return unquote(query.removeprefix("d=") if query.startswith("d=") else path)


def _key_points(where: str, annotations: list[_Annotation], notes: Notes) -> list[dict[str, Any]]:
    """Return the key points of the latest annotation that has any: they replace earlier ones."""
    latest: list[dict[str, Any]] = []
    for annotation in sorted(annotations, key=lambda annotation: annotation.updated_at):
        here = f"{where}, annotation {annotation.id}"
        points, kinds = [], Counter[str]()
        for region in annotation.result:
            if region.get("type") in ("keypointlabels", "keypoint"):  # without a label, the latter
                points.append(region)
            else:
                kinds[f"{region.get('type')}"] += 1
        if annotation.was_cancelled:
            found = f"cancelled, with {len(points)} key points"
            notes.problems.add(
                "info", "cancelled annotation", here, found, "submit it to make it count"
            )
            continue
        notes.others += kinds
        if points and latest:
            found = f"another annotation with {len(latest)} key points is older"
            notes.problems.add(
                "info", "older annotation", here, found, "nothing: the latest one counts"
            )
        latest = points or latest
    return latest


def _mark(where: str, point: _KeyPoint) -> Mark:
    if point.image_rotation:
        found = f"the image was turned by {point.image_rotation:g} degrees"
        raise Unusable("turned image", found, "turn it back in Label Studio and click there")
    return Mark(
        where=where,
        class_name=point.value.labels[0],
        x=point.value.x / 100 * point.original_width,
        y=point.value.y / 100 * point.original_height,
        positive=point.is_positive is not False,
    )
