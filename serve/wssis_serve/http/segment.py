"""Routes that segment an image: all of it, or the objects that somebody points at."""

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from ray_wssis.data.records import Click
from wssis_serve.engines.images import check
from wssis_serve.errors import ApiError, unprocessable
from wssis_serve.http.access_log import remember
from wssis_serve.http.answers import coco_answer, points_answer, segment_answer
from wssis_serve.http.class_maps import class_map_answer, is_image, png
from wssis_serve.http.forms import IMAGE_TYPES, checked, read_image
from wssis_serve.http.parameters import check_fields
from wssis_serve.http.schemas import (
    AnswerFormat,
    ClassMapOut,
    MaskFormat,
    PointIn,
    PointsOut,
    SegmentOut,
    Wanted,
    WantedPoints,
)
from wssis_serve.http.state import backend_of, config_of
from wssis_serve.segmented import Mapped, PointQuery, Question, Segmented

SLOW_FORMATS = (MaskFormat.POLYGON, MaskFormat.PNG)

routes = APIRouter()


def image_body(*fields: str) -> dict[str, Any]:
    """The OpenAPI description of a body that is an image, or a form with one."""
    properties: dict[str, Any] = {"image": {"type": "string", "format": "binary"}}
    properties |= {name: {"type": "string"} for name in fields}
    content: dict[str, Any] = {
        "multipart/form-data": {"schema": {"type": "object", "properties": properties}}
    }
    if not fields:
        binary = {"schema": {"type": "string", "format": "binary"}}
        content |= {kind: binary for kind in IMAGE_TYPES}
    return {"requestBody": {"required": True, "content": content}}


@routes.post("/v1/segment", response_model=SegmentOut | ClassMapOut, openapi_extra=image_body())
async def segment(request: Request, query: Annotated[Wanted, Query()]) -> Response:
    """All instances in an image, best first; of a semantic student, a class for every pixel.

    The image is the body, or `image` of a form, which may hold the parameters too.  With
    `format=coco` the answer is a COCO file.  A class map is a PNG in base64, with or without a
    palette, or a mask for each class; with `Accept: image/png` the answer is the PNG itself.
    """
    image, name, form = await read_image(request)
    check_fields(form, Wanted.model_fields)
    wanted = joined(query, checked(Wanted, form))
    if image is None:
        raise ApiError(400, "bad_request", "the form has no file in the field `image`")
    config = config_of(request)
    await asyncio.to_thread(check, image, config.max_megapixels)
    question = Question(
        threshold=wanted.threshold,
        max_instances=wanted.max_instances,
        tags=None if wanted.tags is None else tuple(wanted.tags),
    )
    found = await backend_of(request).segment(image, question)
    remember(request, found)
    if isinstance(found, Mapped):
        return await class_map(request, found, wanted.format or AnswerFormat.PNG)
    if wanted.format is AnswerFormat.COCO:
        return JSONResponse(coco_answer(found, name))
    answer = await rendered(mask_format(wanted.format), segment_answer, found)
    return Response(answer.model_dump_json(exclude_unset=True), media_type="application/json")


def joined(query: Wanted, form: Wanted) -> Wanted:
    """The parameters of both; those in the form count where they are in both."""
    return query.model_copy(update={name: getattr(form, name) for name in form.model_fields_set})


def mask_format(wanted: AnswerFormat | None) -> MaskFormat:
    """The format of the masks of instances.  Raises ApiError for one of class maps."""
    if wanted is AnswerFormat.GRAY:
        raise unprocessable("`gray` is a format of class maps, and this server finds instances")
    return MaskFormat(wanted or AnswerFormat.RLE)


async def class_map(request: Request, found: Mapped, wanted: AnswerFormat) -> Response:
    """The answer of a semantic student: an image for whoever accepts nothing else, or JSON."""
    if is_image(wanted) and request.headers.get("accept", "").strip().lower() == "image/png":
        return Response(await asyncio.to_thread(png, found, wanted), media_type="image/png")
    answer = await asyncio.to_thread(class_map_answer, found, wanted)
    return Response(answer.model_dump_json(exclude_unset=True), media_type="application/json")


@routes.post(
    "/v1/segment/points",
    response_model=PointsOut,
    openapi_extra=image_body("points", "image_id", "format"),
)
async def segment_points(request: Request) -> Response:
    """The mask of each object that is pointed at, in the order of the points.

    `points` is JSON: `[{"x": 31.5, "y": 12, "class": "disc", "clicks": [{"x": 40, "y": 12,
    "positive": false}]}]`.  A point without a mask has no `bbox`.  Instead of `image`, the
    `image_id` of an earlier answer will do for as long as the server remembers the image.
    """
    image, _, form = await read_image(request)
    config = config_of(request)
    check_fields(form, WantedPoints.model_fields)
    wanted = checked(WantedPoints, form)
    if (image is None) == (wanted.image_id is None):
        raise ApiError(400, "bad_request", "give one of `image`, a file, and `image_id`")
    if len(wanted.points) > config.max_points:
        raise ApiError(
            413,
            "too_large",
            f"{len(wanted.points)} points in one request, at most {config.max_points} are "
            "accepted; send them in parts, or as a bulk job",
        )
    if image is not None:
        await asyncio.to_thread(check, image, config.max_megapixels)
    points = [as_query(point) for point in wanted.points]
    drawn = await backend_of(request).masks(image, wanted.image_id, points)
    remember(request, drawn)
    answer = await rendered(wanted.format, points_answer, drawn)
    return Response(answer.model_dump_json(exclude_unset=True), media_type="application/json")


def as_query(point: PointIn) -> PointQuery:
    category = point.class_name if point.category_id is None else point.category_id
    assert category is not None, "the schema demands one of the two"
    clicks = [Click(click.x, click.y, click.positive) for click in point.clicks]
    return PointQuery(x=point.x, y=point.y, category=category, clicks=clicks)


async def rendered(kind: MaskFormat, render: Any, answer: Segmented) -> BaseModel:
    """`render` of the answer; slow formats run in a thread, not in the way of other requests."""
    if kind in SLOW_FORMATS:
        made: BaseModel = await asyncio.to_thread(render, answer, kind)
    else:
        made = render(answer, kind)
    return made
