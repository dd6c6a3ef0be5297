"""Images and parameters out of the body of a request."""

import base64
from typing import Any, TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError
from starlette.datastructures import UploadFile

from wssis_serve.errors import ApiError, unprocessable
from wssis_serve.http.errors import in_words

FORM_FIELD_BYTES = 1_000_000
IMAGE_TYPES = ("image/jpeg", "image/png", "image/webp", "image/tiff", "image/bmp")
OTHER_NAMES = (
    "image/jpg",
    "image/x-png",
    "image/tif",
    "image/x-tiff",
    "image/x-ms-bmp",
    "image/x-bmp",
)

AnyModel = TypeVar("AnyModel", bound=BaseModel)


async def read_image(request: Request) -> tuple[bytes | None, str, dict[str, Any]]:
    """The image in a request, its name, and the other fields of the form."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "multipart/form-data":
        if kind and kind not in (*IMAGE_TYPES, *OTHER_NAMES, "application/octet-stream"):
            raise ApiError(
                415,
                "unsupported_image",
                f"the body is {kind:.60}; send an image ({', '.join(IMAGE_TYPES)}) or "
                "multipart/form-data with the field `image`",
            )
        return await request.body(), "image", {}
    async with request.form(max_files=1, max_fields=16, max_part_size=FORM_FIELD_BYTES) as form:
        upload = form.get("image")
        fields = {name: in_form(form.getlist(name)) for name in form if name != "image"}
        if isinstance(upload, UploadFile):
            return await upload.read(), upload.filename or "image", fields
        if upload is not None:
            raise ApiError(400, "bad_request", "the field `image` is text; send a file")
        return None, "", fields


def from_data_uri(text: str) -> bytes:
    """The bytes in a `data:` URI, or in base64 alone.  Raises ApiError for anything else."""
    head, comma, body = text.rpartition(",")
    if comma and not (head.startswith("data:") and head.endswith(";base64")):
        raise unprocessable("a data: URI without base64; wanted: data:image/png;base64,...")
    try:
        return base64.b64decode(body, validate=True)
    except ValueError as error:
        raise unprocessable(f"a data: URI that is not base64 ({error})") from error


def in_form(values: list[Any]) -> Any:
    """The value of a field; all of them if it is there more than once."""
    return values[0] if len(values) == 1 else values


def checked(cls: type[AnyModel], values: dict[str, Any]) -> AnyModel:
    """The values as `cls`.  Raises ApiError 422 that names the problems."""
    try:
        return cls.model_validate(values)
    except ValidationError as error:
        raise ApiError(422, "unprocessable", in_words(error.errors())) from None
