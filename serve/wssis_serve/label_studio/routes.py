"""The machine-learning backend of a Label Studio: masks of clicked objects, and pre-annotation.

A project needs an `Image`, `BrushLabels` named as the model's classes, and for points
`KeyPointLabels` with the same names.  Where somebody clicks (`smart="true"`), each class that was
clicked becomes one mask.  Asked without a click, a task with stored key points gets a mask for
each, and one without whatever the student finds.

Label Studio gives places in percent of the picture as it is shown, masks in its own code
(`wssis_serve.label_studio.brush`), and images by a name; a name is looked up in the folders that
the operator allowed, and never fetched from an address.
"""

import asyncio
import base64
import time
import uuid
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field, ValidationError
from upath import UPath

from ray_wssis.data.records import Category, Click
from wssis_serve.backend import Backend, PointQuery, Segmented
from wssis_serve.config import ServeConfig
from wssis_serve.engines import images as pictures
from wssis_serve.http.errors import ApiError
from wssis_serve.http.schemas import Coordinate, Wanted
from wssis_serve.label_studio.brush import to_brush
from wssis_serve.roots import resolve

AT_A_TIME = 8  # tasks of a request
MEGABYTE = 1_000_000
UPLOADED, LOCAL_FILES = "/data/upload/", "/data/local-files/"  # how Label Studio calls its files

Region = dict[str, Any]  # an entry of `result`, as Label Studio writes it
Size = tuple[int, int]  # (width, height) in pixels


class Marks(BaseModel):
    """What somebody drew on a picture: an annotation, a draft or the context of a click."""

    result: list[Region] | None = None
    was_cancelled: bool = False
    updated_at: str = ""  # ISO 8601, always in the same time zone


class Task(BaseModel):
    data: dict[str, Any]
    annotations: list[Marks] = []
    drafts: list[Marks] = []


class PredictParams(BaseModel):
    context: Marks | None = None  # the clicks; None: nobody clicked


class PredictIn(BaseModel):
    tasks: list[Task]
    label_config: str = Field(description="XML, as in the settings of the project")
    params: PredictParams = PredictParams()


class SetupIn(BaseModel):
    label_config: str = Field(alias="schema", description="XML, as in the settings of the project")


class Place(BaseModel):
    x: Coordinate  # percent of the width
    y: Coordinate  # percent of the height
    keypointlabels: list[str] = Field(min_length=1)


class KeyPoint(BaseModel):
    value: Place
    is_positive: bool | None = None  # a click on the object, or off it; None: a stored point
    image_rotation: float = 0  # degrees, by which somebody turned the picture

    @property
    def class_name(self) -> str:
        return self.value.keypointlabels[0]


@dataclass(frozen=True, kw_only=True)
class Tags:
    """What we need of a labelling configuration."""

    image: str  # names of tags
    brush: str
    data_key: str  # of the picture in the data of a task
    class_names: tuple[str, ...]  # that the brush has


def label_studio_routes() -> APIRouter:
    """The routes that Label Studio asks for."""
    return routes


routes = APIRouter(tags=["Label Studio"])


@routes.get("/health")
async def health() -> dict[str, str]:
    """Whether this process answers."""
    return {"status": "UP"}


@routes.post("/setup")
async def setup(request: Request, wanted: SetupIn) -> dict[str, str]:
    """Whether a project with this labelling configuration can be answered, and by which model."""
    backend: Backend = request.app.state.backend
    check_classes(read_label_config(wanted.label_config), await backend.classes())
    return {"model_version": version_of(await backend.models())}


@routes.get("/versions")
async def versions(request: Request) -> dict[str, list[str]]:
    """The one model version that is served."""
    return {"versions": [version_of(await request.app.state.backend.models())]}


@routes.post("/webhook")
async def webhook(event: dict[str, Any]) -> dict[str, str]:
    """News of a project, which change nothing here."""
    if event.get("action") == "START_TRAINING":
        raise unprocessable("this server does not train; export the project, and use `wssis run`")
    return {"status": "ignored"}


@routes.post("/predict")
async def predict(request: Request, wanted: PredictIn) -> JSONResponse:
    """Masks as brush regions, an entry of `results` for each task.

    A task that cannot be done, or not in time, has `error` in place of `result`.  Label Studio
    notes it in its log, and asks for it again the next time.
    """
    backend: Backend = request.app.state.backend
    tags, classes = read_label_config(wanted.label_config), await backend.classes()
    check_classes(tags, classes)
    annotator = Annotator(
        backend=backend,
        config=request.app.state.config,
        tags=tags,
        labels={category.name: label for label, category in enumerate(classes)},
        version=version_of(await backend.models()),
    )
    context = wanted.params.context
    if context is not None:
        results = [await annotator.click(task, context) for task in wanted.tasks]
    else:
        results = await annotator.annotate(wanted.tasks)
    return JSONResponse({"results": results})


@dataclass(frozen=True, kw_only=True)
class Annotator:
    """Answers the tasks of one request."""

    backend: Backend
    config: ServeConfig
    tags: Tags
    labels: dict[str, int]  # of the model's classes, by name
    version: str

    async def click(self, task: Task, context: Marks) -> dict[str, Any]:
        """The objects that somebody is clicking at, one for each class."""
        points = key_points(context)
        picture, size = await self.picture_of(task)
        return await self.masks(picture, clicked_objects(points, size, self.labels))

    async def annotate(self, tasks: list[Task]) -> list[dict[str, Any]]:
        """What can be said about each task that nobody is looking at."""
        deadline = time.monotonic() + self.config.timeout_s
        turns = asyncio.Semaphore(AT_A_TIME)

        async def one(task: Task) -> dict[str, Any]:
            async with turns:
                if time.monotonic() > deadline:
                    return {"error": "there was no time left for this task; ask again"}
                try:
                    return await self.pre_annotate(task)
                except ApiError as error:
                    return {"error": error.message}

        return await asyncio.gather(*map(one, tasks))

    async def pre_annotate(self, task: Task) -> dict[str, Any]:
        """A mask for each stored point; without points, what the student finds."""
        points = stored_points(task)
        picture, size = await self.picture_of(task)
        if points:
            return await self.masks(picture, pointed_objects(points, size, self.labels))
        usual = Wanted.model_validate({})
        most = min(usual.max_instances, self.config.max_instances)
        return await self.prediction(await self.backend.segment(picture, usual.threshold, most))

    async def masks(self, picture: bytes, objects: list[PointQuery]) -> dict[str, Any]:
        if not objects:
            return {"result": [], "score": 0.0, "model_version": self.version}
        if len(objects) > self.config.max_points:
            raise ApiError(
                413,
                "too_large",
                f"{len(objects)} points in one picture, at most {self.config.max_points} are taken",
            )
        return await self.prediction(await self.backend.masks(picture, None, objects))

    async def prediction(self, answer: Segmented) -> dict[str, Any]:
        regions = await asyncio.to_thread(brush_regions, answer, self.tags)
        scores = [region["score"] for region in regions]
        mean = sum(scores) / len(scores) if scores else 0.0
        return {"result": regions, "score": mean, "model_version": self.version}

    async def picture_of(self, task: Task) -> tuple[bytes, Size]:
        """The bytes of a task's picture, and its size as it is shown."""
        name = task.data.get(self.tags.data_key)
        if not isinstance(name, str):
            raise unprocessable(f"the task has no picture in its data, as {self.tags.data_key!r}")
        return await asyncio.to_thread(checked_picture, name, self.config)


def read_label_config(xml: str) -> Tags:
    """The tags of a labelling configuration.

    Raises ApiError 422 when it is not XML, or has no picture or no brush for it.
    """
    if "<!DOCTYPE" in xml:  # no entities: they may grow without end
        raise unprocessable("a labelling configuration has no DOCTYPE")
    try:
        root = ET.fromstring(xml)
    except (ET.ParseError, ValueError) as error:
        raise unprocessable(f"the labelling configuration is not XML ({error})") from error
    images = {tag.get("name", ""): tag.get("value", "") for tag in root.iter("Image")}
    for brush in root.iter("BrushLabels"):
        name, image = brush.get("name", ""), brush.get("toName", "")
        if name and images.get(image, "").startswith("$"):
            return Tags(
                image=image,
                brush=name,
                data_key=images[image][1:],
                class_names=tuple(
                    label.get("alias", "") or label.get("value", "")
                    for label in brush.iter("Label")
                ),
            )
    raise unprocessable(
        'the labelling configuration needs <Image name="image" value="$image"/> and '
        '<BrushLabels name="mask" toName="image">'
    )


def check_classes(tags: Tags, classes: tuple[Category, ...]) -> None:
    """Raises ApiError 422 when the brush has no class of the model."""
    known = [category.name for category in classes]
    if not set(known) & set(tags.class_names):
        raise unprocessable(
            f"no label of {tags.brush} is a class of the model, which knows {listed(known)}"
        )


def version_of(models: dict[str, Any]) -> str:
    """The hash of the student; whoever exchanges another network trains the student anew.

    It is the same for all answers: a task that has a prediction of another version than `/setup`
    says would be asked for again and again.
    """
    return str(next(model["hash"] for model in models["models"] if model["name"] == "student"))


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


def stored_points(task: Task) -> list[KeyPoint]:
    """The points of the latest annotation or draft that has any."""
    marks = [*task.drafts, *(each for each in task.annotations if not each.was_cancelled)]
    for each in sorted(marks, key=lambda each: each.updated_at, reverse=True):
        if points := [point for point in key_points(each) if point.is_positive is not False]:
            return points
    return []


def pointed_objects(points: list[KeyPoint], size: Size, labels: dict[str, int]) -> list[PointQuery]:
    """An object for each point."""
    return [object_of([point], size, labels) for point in points]


def clicked_objects(points: list[KeyPoint], size: Size, labels: dict[str, int]) -> list[PointQuery]:
    """An object for each class: its first click on the object is the point.

    A class that was only clicked off the object has none.  Stored points of the class that is
    clicked are sent along; they are other objects.
    """
    by_class: dict[str, list[KeyPoint]] = {}
    clicks = [point for point in points if point.is_positive is not None]
    for click in sorted(clicks, key=lambda click: not click.is_positive):
        by_class.setdefault(click.class_name, []).append(click)
    return [object_of(each, size, labels) for each in by_class.values() if each[0].is_positive]


def object_of(points: list[KeyPoint], size: Size, labels: dict[str, int]) -> PointQuery:
    """The object at the first of these points; the others are its further clicks.

    Raises ApiError 422 for a class that the model does not know.
    """
    name = points[0].class_name
    if name not in labels:
        raise unprocessable(
            f"a key point of {name[:60]!r}, which is no class of the model; it knows "
            f"{listed(list(labels))}"
        )
    (x, y), *further = (in_pixels(point, size) for point in points)
    clicks = [
        Click(*place, bool(point.is_positive))
        for place, point in zip(further, points[1:], strict=True)
    ]
    return PointQuery(x=x, y=y, label=labels[name], clicks=clicks)


def in_pixels(point: KeyPoint, size: Size) -> tuple[float, float]:
    """Where a key point is, at most in the outermost pixels."""
    if point.image_rotation:
        raise unprocessable("the picture was turned in Label Studio; turn it back before clicking")
    x, y = (
        min(max(percent / 100 * side, 0.5), side - 0.5)
        for percent, side in zip((point.value.x, point.value.y), size, strict=True)
    )
    return x, y


def brush_regions(answer: Segmented, tags: Tags) -> list[Region]:
    """The masks of the classes that the brush has."""
    width, height = answer.image.width, answer.image.height
    return [
        {
            "id": uuid.uuid4().hex[:10],
            "from_name": tags.brush,
            "to_name": tags.image,
            "type": "brushlabels",
            "original_width": width,
            "original_height": height,
            "image_rotation": 0,
            "score": round(each.score, 4),
            "value": {
                "format": "rle",
                "rle": to_brush(each.mask, height, width),
                "brushlabels": [answer.categories[each.label].name],
            },
        }
        for each in answer.instances
        if each.mask is not None and answer.categories[each.label].name in tags.class_names
    ]


def checked_picture(name: str, config: ServeConfig) -> tuple[bytes, Size]:
    """The bytes of the picture that a task names, and its size as it is shown.

    Raises ApiError when it may not be read, is not there, or is no picture that is taken.
    """
    data = embedded(name) if name.startswith("data:") else read_file(name, config)
    return data, pictures.check(data, config.max_megapixels)


def embedded(uri: str) -> bytes:
    """The bytes in a `data:` URI."""
    head, _, body = uri.partition(",")
    if not head.endswith(";base64"):
        raise unprocessable("a data: URI without base64; wanted is data:image/png;base64,...")
    try:
        return base64.b64decode(body, validate=True)
    except ValueError as error:
        raise unprocessable(f"a data: URI that is not base64 ({error})") from error


def read_file(name: str, config: ServeConfig) -> bytes:
    """The bytes of a file that the operator allows to read."""
    most = int(config.max_megabytes * MEGABYTE)
    try:
        with file_of(name, config).open("rb") as stream:
            data = bytes(stream.read(most + 1))
    except ApiError:
        raise
    except Exception as error:  # the file systems of buckets raise what they like
        raise ApiError(404, "not_found", f"{name[:200]!r} cannot be read") from error
    if len(data) > most:
        raise ApiError(
            413, "too_large", f"{name[:200]!r} has more than {config.max_megabytes:g} megabytes"
        )
    return data


def file_of(name: str, config: ServeConfig) -> UPath:
    """Where the file lies that Label Studio calls `name`.

    Raises ApiError 422 for an address, and when no folder is configured, 404 for what is in none.
    """
    path = name.partition("?")[0]
    if path.startswith(UPLOADED):
        if config.label_studio_files is None:
            raise unprocessable(
                "this task's picture was uploaded to Label Studio; the operator of this server may "
                "set `label_studio_files` to its media folder"
            )
        return resolve(unquote(path).removeprefix("/data/"), [config.label_studio_files])
    if path == LOCAL_FILES:
        name = parse_qs(urlsplit(name).query).get("d", [""])[0]
    if name.lower().startswith(("http:", "https:", "//")):
        raise unprocessable(
            f"{name[:200]!r} is an address, and addresses are never fetched; name pictures by "
            "their path, as local files, or by the URI of a bucket"
        )
    if not config.images:
        raise unprocessable(
            "this server may read no pictures; its operator may set `images` to their folders"
        )
    return resolve(name, config.images)


def listed(names: list[str]) -> str:
    return ", ".join(names[:20]) + (", ..." if len(names) > 20 else "")


def unprocessable(message: str) -> ApiError:
    return ApiError(422, "unprocessable", message)
