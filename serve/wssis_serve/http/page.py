"""The page for people: static files, which load nothing from elsewhere."""

from pathlib import Path

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse

from wssis_serve.errors import ApiError
from wssis_serve.http.state import backend_of
from wssis_serve.segmented import Kind

PAGE = Path(__file__).parents[1] / "page"

FILES = {Kind.SEGMENTER: "index.html", Kind.SEMANTIC: "class_map.html"}

routes = APIRouter()


@routes.get("/", include_in_schema=False)
async def page(request: Request) -> FileResponse:
    """The page for the kind of student that is served now."""
    try:
        kind = Kind((await backend_of(request).models())["kind"])
    except ApiError:  # the networks are not loaded yet; the page will say so
        kind = Kind.SEGMENTER
    return FileResponse(PAGE / FILES[kind])
