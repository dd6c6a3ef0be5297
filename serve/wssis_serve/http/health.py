"""Routes about the server itself: probes and figures."""

from fastapi import APIRouter, Request, Response

from wssis_serve.errors import ApiError
from wssis_serve.http.access_log import flush
from wssis_serve.http.schemas import StatusOut
from wssis_serve.http.state import backend_of

routes = APIRouter()


@routes.get("/healthz")
async def healthz() -> StatusOut:
    """Answer as long as this process is alive."""
    return StatusOut(status="ok")


@routes.get("/readyz")
async def readyz(request: Request) -> StatusOut:
    """Answer as soon as the networks are loaded."""
    if not await backend_of(request).ready():
        raise ApiError(503, "not_ready", "the networks are not loaded yet", 2)
    return StatusOut(status="ready")


@routes.get("/metrics", response_class=Response)
async def read_figures(request: Request) -> Response:
    """Sums over all processes, in Prometheus' text format."""
    await flush(request.app.state)
    text = await backend_of(request).figures()
    return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")
