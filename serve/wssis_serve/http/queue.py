"""Routes of the images that people label on the page, each saved as soon as it changes."""

import asyncio
import io
from posixpath import splitext

from fastapi import APIRouter, Request, Response
from PIL import Image

from ray_wssis.data.images.read import ImageError, decode_image, read_bytes
from wssis_serve.errors import unprocessable
from wssis_serve.http.label_schemas import (
    LabelsIn,
    LabelsOut,
    QueueOut,
    StrokesIn,
    StrokesOut,
    SuggestionsOut,
)
from wssis_serve.http.state import backend_of

SHOWN = {  # by a browser, as they are; others are sent as PNG
    **dict.fromkeys((".jpg", ".jpeg", ".jpe", ".jfif"), "image/jpeg"),
    **{".png": "image/png", ".webp": "image/webp", ".bmp": "image/bmp", ".gif": "image/gif"},
}

routes = APIRouter()


@routes.get("/v1/queue")
async def list_images(request: Request) -> QueueOut:
    """All images to label, and how far they are."""
    return QueueOut.model_validate(await backend_of(request).queue("overview"))


@routes.get("/v1/queue/images/{name:path}", response_class=Response)
async def read_queued_image(request: Request, name: str) -> Response:
    """An image to label, in a format that browsers show."""
    file = await backend_of(request).queue("image", name)
    return await image_response(file, name)


@routes.get("/v1/queue/labels/{name:path}")
async def read_labels(request: Request, name: str) -> LabelsOut:
    """The labels of an image."""
    return LabelsOut.model_validate(await backend_of(request).queue("get", name))


@routes.post("/v1/queue/labels/{name:path}")
async def save_labels(request: Request, name: str, wanted: LabelsIn) -> LabelsOut:
    """Replace the labels of an image.  They are on disk when this answers.

    409 if the image has another `revision` by now: somebody else saved it in the meantime.
    """
    values = wanted.model_dump(mode="json", exclude_unset=True, exclude_none=True)
    values |= {"window": wanted.window, "change": wanted.change}
    return LabelsOut.model_validate(await backend_of(request).queue("save", name, values))


@routes.get("/v1/queue/strokes/{name:path}")
async def read_strokes(request: Request, name: str) -> StrokesOut:
    """The strokes and tags of an image, where images are labelled for class maps."""
    return StrokesOut.model_validate(await backend_of(request).queue("strokes", name))


@routes.post("/v1/queue/strokes/{name:path}")
async def save_strokes(request: Request, name: str, wanted: StrokesIn) -> StrokesOut:
    """Replace the strokes and tags of an image.  They are on disk when this answers.

    409 if the image has another `revision` by now: somebody else saved it in the meantime.
    """
    values = wanted.model_dump(mode="json", by_alias=True)
    return StrokesOut.model_validate(await backend_of(request).queue("save_strokes", name, values))


@routes.get("/v1/queue/suggestions/{name:path}")
async def read_suggestions(request: Request, name: str) -> SuggestionsOut:
    """Objects of an image for a person to accept, from the operator's file of suggestions."""
    return SuggestionsOut.model_validate(await backend_of(request).queue("suggested", name))


@routes.get("/v1/queue/file", response_class=Response)
async def read_file(request: Request) -> Response:
    """All labels: a COCO file, or an archive of strokes and tags."""
    data, kind = await backend_of(request).queue("whole")
    return Response(data, media_type=kind)


async def image_response(file: str, name: str) -> Response:
    """The answer that shows an image of this name; ApiError if it cannot be read."""
    try:
        data, kind = await asyncio.to_thread(shown, file)
    except ImageError as error:
        raise unprocessable(f"{name}: {error.found}; {error.wanted}") from error
    return Response(data, media_type=kind)


def shown(file: str) -> tuple[bytes, str]:
    """The bytes of an image for a browser, and their type.  Raises ImageError."""
    data = read_bytes(file)
    kind = SHOWN.get(splitext(file)[1].lower())
    if kind is not None:
        return data, kind
    buffer = io.BytesIO()
    Image.fromarray(decode_image(file, data)).save(buffer, format="PNG", compress_level=1)
    return buffer.getvalue(), "image/png"
