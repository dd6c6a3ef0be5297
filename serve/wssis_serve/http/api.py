"""The routes: from a request to the backend, and from what comes back to an answer."""

import asyncio
import importlib.metadata
import logging
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse, StreamingResponse
from fastapi.staticfiles import StaticFiles
from pydantic import BaseModel, ValidationError
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from upath import UPath

from ray_wssis.data.records import Category, Click
from ray_wssis.logs import begin, wants_json
from ray_wssis.storage import locate
from wssis_serve.backend import Backend, PointQuery, Segmented
from wssis_serve.config import ServeConfig
from wssis_serve.engines import images as pictures
from wssis_serve.figures import Answered
from wssis_serve.http.answers import coco_answer, points_answer, segment_answer
from wssis_serve.http.errors import ApiError
from wssis_serve.http.guard import Guard
from wssis_serve.http.schemas import (
    AnswerFormat,
    ErrorOut,
    Job,
    JobIn,
    MaskFormat,
    ModelsOut,
    PointIn,
    PointsOut,
    ReloadIn,
    SegmentOut,
    StatusOut,
    Wanted,
    WantedPoints,
)
from wssis_serve.label_studio.routes import label_studio_routes
from wssis_serve.roots import resolve

PAGE = Path(__file__).parents[1] / "page"
FORM_FIELD_BYTES = 1_000_000
FLUSH_EVERY = 0.5  # seconds
PROBES = ("/healthz", "/readyz", "/health", "/metrics")  # are asked for all the time
BLOCK = 1 << 20  # bytes
SLOW_FORMATS = (MaskFormat.POLYGON, MaskFormat.PNG)
PICTURE_TYPES = ("image/jpeg", "image/png", "image/webp")
STATUSES = (400, 401, 404, 413, 415, 422, 429, 503)
ERRORS: dict[int | str, dict[str, Any]] = {status: {"model": ErrorOut} for status in STATUSES}

logger = logging.getLogger(__name__)

AnyModel = TypeVar("AnyModel", bound=BaseModel)
AnyAnswer = TypeVar("AnyAnswer", bound=BaseModel)


def create_api(config: ServeConfig, backend: Backend) -> FastAPI:
    """The whole HTTP face of `backend`."""
    if wants_json():
        begin(locate(config.model))
    api = bare_api()
    api.state.config, api.state.backend = config, backend
    api.state.answered, api.state.waiting = [], 0
    api.mount("/page", StaticFiles(directory=PAGE))
    api.add_exception_handler(ApiError, said)
    api.add_exception_handler(HTTPException, said_by_starlette)
    api.add_exception_handler(RequestValidationError, said_by_pydantic)
    api.add_middleware(Guard, config=config)
    api.add_middleware(Counted, state=api.state)  # the last one is the outermost
    return api


def bare_api() -> FastAPI:
    """The routes, and what OpenAPI says about them."""
    api = FastAPI(
        title="ray-wssis",
        description="Finds instances in pictures, and draws the masks of objects pointed at.",
        version=importlib.metadata.version("ray-wssis"),
        docs_url=None,  # these pages would load scripts from elsewhere
        redoc_url=None,
        lifespan=counting,
    )
    api.include_router(routes)
    api.include_router(label_studio_routes(), responses=ERRORS)
    return api


routes = APIRouter(responses=ERRORS)


def picture_body(*fields: str) -> dict[str, Any]:
    """What OpenAPI should say about a body that is a picture, or a form with one."""
    properties: dict[str, Any] = {"image": {"type": "string", "format": "binary"}}
    properties |= {name: {"type": "string"} for name in fields}
    content: dict[str, Any] = {
        "multipart/form-data": {"schema": {"type": "object", "properties": properties}}
    }
    if not fields:
        binary = {"schema": {"type": "string", "format": "binary"}}
        content |= {kind: binary for kind in PICTURE_TYPES}
    return {"requestBody": {"required": True, "content": content}}


@routes.post("/v1/segment", response_model=SegmentOut, openapi_extra=picture_body())
async def segment(request: Request, query: Annotated[Wanted, Query()]) -> Response:
    """All instances in a picture, best first.

    The picture is the body, or `image` of a form, which may hold the parameters too.  With
    `format=coco` a COCO file comes back.
    """
    picture, name, form = await read_picture(request)
    given = query.model_dump(exclude_unset=True) | form
    wanted = checked(Wanted, given)
    if picture is None:
        raise ApiError(400, "bad_request", "the form has no file in the field `image`")
    config: ServeConfig = request.app.state.config
    await asyncio.to_thread(pictures.check, picture, config.max_megapixels)
    found = await backend_of(request).segment(
        picture, wanted.threshold, min(wanted.max_instances, config.max_instances)
    )
    remember(request, found)
    if wanted.format is AnswerFormat.COCO:
        return JSONResponse(coco_answer(found, name))
    kind = MaskFormat(wanted.format)
    answer = await rendered(kind, segment_answer, found)
    return Response(answer.model_dump_json(exclude_unset=True), media_type="application/json")


@routes.post(
    "/v1/segment/points",
    response_model=PointsOut,
    openapi_extra=picture_body("points", "image_id", "format"),
)
async def segment_points(request: Request) -> Response:
    """The mask of each object that is pointed at, in the order of the points.

    `points` is JSON: `[{"x": 31.5, "y": 12, "class": "disc", "clicks": [{"x": 40, "y": 12,
    "positive": false}]}]`.  A point without a mask has no `bbox`.  In place of `image`, `image_id`
    of an earlier answer will do, as long as the server has the picture at hand.
    """
    picture, _, form = await read_picture(request)
    config: ServeConfig = request.app.state.config
    wanted = checked(WantedPoints, form)
    if (picture is None) == (wanted.image_id is None):
        raise ApiError(400, "bad_request", "give one of `image`, a file, and `image_id`")
    if len(wanted.points) > config.max_points:
        raise ApiError(
            413,
            "too_large",
            f"{len(wanted.points)} points in one request, at most {config.max_points} are taken; "
            "send them in parts, or as a bulk job",
        )
    if picture is not None:
        await asyncio.to_thread(pictures.check, picture, config.max_megapixels)
    backend = backend_of(request)
    points = as_queries(wanted.points, await backend.classes())
    drawn = await backend.masks(picture, wanted.image_id, points)
    remember(request, drawn)
    answer = await rendered(wanted.format, points_answer, drawn)
    return Response(answer.model_dump_json(exclude_unset=True), media_type="application/json")


@routes.post("/v1/jobs", status_code=202)
async def submit_job(request: Request, wanted: JobIn) -> Job:
    """Label the points of a COCO file, on pictures that the server can read, in the background.

    Posted again, a job that was cancelled or failed goes on; one that is done is not done again.
    """
    return Job.model_validate(await backend_of(request).submit(wanted.images, wanted.points))


@routes.get("/v1/jobs")
async def list_jobs(request: Request) -> dict[str, list[Job]]:
    """All bulk jobs, the newest first."""
    return {"jobs": [Job.model_validate(each) for each in await backend_of(request).jobs()]}


@routes.get("/v1/jobs/{job_id}")
async def read_job(request: Request, job_id: str) -> Job:
    """How far a bulk job is."""
    return Job.model_validate(await backend_of(request).job(job_id))


@routes.delete("/v1/jobs/{job_id}")
async def cancel_job(request: Request, job_id: str) -> Job:
    """End a bulk job.  What is labelled stays, and counts when it is posted again."""
    return Job.model_validate(await backend_of(request).cancel(job_id))


@routes.get("/v1/jobs/{job_id}/result", response_class=StreamingResponse)
async def read_result(request: Request, job_id: str) -> Response:
    """The COCO file with all masks."""
    file = await backend_of(request).result(job_id)
    return StreamingResponse(blocks(file), media_type="application/json")


@routes.get("/v1/models")
async def list_models(request: Request) -> ModelsOut:
    """What is served, and how good it is."""
    config: ServeConfig = request.app.state.config
    known = await backend_of(request).models()
    return ModelsOut(**known, takes_jobs=known["takes_points"] and config.jobs is not None)


@routes.post("/v1/models/reload")
async def reload_models(request: Request, wanted: ReloadIn) -> ModelsOut:
    """Serve another run or model, without losing a request."""
    model = str(resolve(wanted.model, model_roots(request.app.state.config)))
    try:
        await backend_of(request).reload(model)
    except ApiError as error:  # the caller's own name for it says enough
        said = error.message.replace(model, wanted.model[:100])
        raise ApiError(error.status, error.code, said, error.retry_after) from error
    return await list_models(request)


@routes.get("/healthz")
async def healthz() -> StatusOut:
    """Whether this process answers."""
    return StatusOut(status="ok")


@routes.get("/readyz")
async def readyz(request: Request) -> StatusOut:
    """Whether pictures can be sent."""
    if not await backend_of(request).ready():
        raise ApiError(503, "not_ready", "the networks are not loaded yet", 2)
    return StatusOut(status="ready")


@routes.get("/metrics", response_class=Response)
async def read_figures(request: Request) -> Response:
    """For Prometheus: sums over all processes."""
    await flush(request.app.state)
    text = await backend_of(request).figures()
    return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")


@routes.get("/", include_in_schema=False)
async def page() -> FileResponse:
    return FileResponse(PAGE / "index.html")


def backend_of(request: Request) -> Backend:
    backend: Backend = request.app.state.backend
    return backend


async def read_picture(request: Request) -> tuple[bytes | None, str, dict[str, Any]]:
    """The picture in a request, its name, and the other fields of the form."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "multipart/form-data":
        if kind and kind not in (*PICTURE_TYPES, "application/octet-stream"):
            raise ApiError(
                415,
                "unsupported_picture",
                f"the body is {kind:.60}; send a picture ({', '.join(PICTURE_TYPES)}) or "
                "multipart/form-data with the field `image`",
            )
        return await request.body(), "picture", {}
    async with request.form(max_files=1, max_fields=16, max_part_size=FORM_FIELD_BYTES) as form:
        upload = form.get("image")
        fields = {name: value for name, value in form.items() if name != "image"}
        if isinstance(upload, UploadFile):
            return await upload.read(), upload.filename or "picture", fields
        if upload is not None:
            raise ApiError(400, "bad_request", "the field `image` is text, a file is wanted")
        return None, "", fields


def checked(cls: type[AnyModel], values: dict[str, Any]) -> AnyModel:
    try:
        return cls.model_validate(values)
    except ValidationError as error:
        raise ApiError(422, "unprocessable", in_words(error.errors())) from None


def as_queries(points: list[PointIn], categories: tuple[Category, ...]) -> list[PointQuery]:
    """The points with their classes as labels.  `ApiError` for a class that is not known."""
    by_name = {category.name: label for label, category in enumerate(categories)}
    by_id = {category.id: label for label, category in enumerate(categories)}
    queries = []
    for place, point in enumerate(points):
        label = (
            by_id.get(point.category_id)
            if point.category_id is not None
            else by_name.get(point.class_name or "")
        )
        if label is None:
            named = point.class_name if point.class_name is not None else point.category_id
            raise ApiError(
                422,
                "unprocessable",
                f"points.{place}: there is no class {str(named)[:60]!r}; the model knows "
                f"{', '.join(f'{each.name} ({each.id})' for each in categories[:20])}",
            )
        clicks = [Click(click.x, click.y, click.positive) for click in point.clicks]
        queries.append(PointQuery(x=point.x, y=point.y, label=label, clicks=clicks))
    return queries


async def rendered(kind: MaskFormat, render: Any, answer: Segmented) -> BaseModel:
    """`render` of the answer; what takes long, not in the way of other requests."""
    if kind in SLOW_FORMATS:
        made: BaseModel = await asyncio.to_thread(render, answer, kind)
    else:
        made = render(answer, kind)
    return made


def model_roots(config: ServeConfig) -> list[str]:
    """Where `reload` may look."""
    return [*config.models, str(locate(config.model).parent)]


def blocks(file: UPath) -> Iterator[bytes]:
    with file.open("rb") as stream:
        while block := stream.read(BLOCK):
            yield block


def said(_: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)
    return JSONResponse(error.body(), error.status, headers=error.headers())


def said_by_starlette(request: Request, error: Exception) -> Response:
    """404, 405, and forms that cannot be parsed."""
    assert isinstance(error, HTTPException)
    code = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "bad_request")
    body = ApiError(error.status_code, code, str(error.detail)).body()
    return JSONResponse(body, error.status_code, headers=error.headers)


def said_by_pydantic(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return JSONResponse(ApiError(422, "unprocessable", in_words(error.errors())).body(), 422)


def in_words(problems: Any) -> str:
    """The first few problems, each with the path to it."""
    lines = []
    for problem in problems[:3]:
        path = ".".join(str(part) for part in problem["loc"] if part not in ("body", "query"))
        message = problem["msg"].removeprefix("Value error, ")
        lines.append(f"{path}: {message}" if path else message)
    return "; ".join(lines)[:1000]


def remember(request: Request, answer: Segmented) -> None:
    """What is counted and logged of an answer, beside its time."""
    request.state.model = answer.model.hash
    request.state.counted = {
        "num_instances": sum(each.mask is not None for each in answer.instances),
        "batch_size": answer.batch_size,
        "steps": answer.seconds,
    }


class Counted:
    """Middleware that notes every request when it is answered, whoever answered it.

    Where the log is JSON, there is a line of it for each, but not for probes that go well.
    """

    def __init__(self, app: ASGIApp, state: Any) -> None:
        self.app = app
        self.state = state
        self.is_logged = wants_json()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        start, status = time.perf_counter(), 500

        async def watch(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        self.state.waiting += 1
        try:
            await self.app(scope, receive, watch)
        finally:
            self.state.waiting -= 1
            answered = Answered(
                route=getattr(scope.get("route"), "path", "other"),
                method=scope["method"],
                status=status,
                seconds=time.perf_counter() - start,
                **scope.get("state", {}).get("counted", {}),
            )
            self.state.answered.append(answered)
            if self.is_logged and not (status < 400 and answered.route in PROBES):
                log(answered, scope)


def log(answered: Answered, scope: Scope) -> None:
    """A line for a request, with the id that its answer has too, and the hash of the model."""
    state = scope.get("state", {})
    figures = {
        "stage": "serve",
        "request_id": state.get("request_id"),
        "client": scope["client"][0] if scope.get("client") else None,
        "method": answered.method,
        "path": scope["path"],
        "route": answered.route,
        "status": answered.status,
        "seconds": round(answered.seconds, 6),
        "model": state.get("model"),
    }
    said = f"{answered.method} {scope['path']} {answered.status}"
    logger.info("%s", said, extra=figures)


@asynccontextmanager
async def counting(api: FastAPI) -> AsyncIterator[None]:
    """Sends what was counted to the desk, while the application runs."""

    async def go_on() -> None:
        while True:
            await asyncio.sleep(FLUSH_EVERY)
            await flush(api.state)

    api.state.door = uuid.uuid4().hex[:8]
    task = asyncio.create_task(go_on())
    yield
    task.cancel()


async def flush(state: Any) -> None:
    answered, state.answered = state.answered, []
    if answered or state.waiting:
        try:
            await state.backend.count(state.door, answered, state.waiting)
        except ApiError:
            state.answered = answered + state.answered  # the desk is starting; it is told later
