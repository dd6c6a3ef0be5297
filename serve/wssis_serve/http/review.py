"""Routes of the pseudo masks that people review on the page."""

from fastapi import APIRouter, Request, Response

from wssis_serve.http.label_schemas import DecisionIn, ReviewOut, SuspectOut
from wssis_serve.http.queue import image_response
from wssis_serve.http.state import backend_of

routes = APIRouter()


@routes.get("/v1/review")
async def list_masks(request: Request) -> ReviewOut:
    """The pseudo masks to look at, the worst first."""
    return ReviewOut.model_validate(await backend_of(request).review("overview"))


@routes.get("/v1/review/file", response_class=Response)
async def read_corrections_file(request: Request) -> Response:
    """The corrections so far, as a COCO file for `merge.corrections`."""
    data = await backend_of(request).review("whole")
    return Response(data, media_type="application/json")


@routes.get("/v1/review/{number}/image", response_class=Response)
async def read_image_of_mask(request: Request, number: int) -> Response:
    """The image of a mask, in a format that browsers show."""
    file = await backend_of(request).review("image", number)
    return await image_response(file, f"the image of mask {number}")


@routes.post("/v1/review/{number}")
async def decide(request: Request, number: int, wanted: DecisionIn) -> SuspectOut:
    """Accept, fix or delete a mask, or undo that.  It is on disk when this answers.

    409 if the mask has another `revision` by now: somebody else decided in the meantime.
    """
    values = wanted.model_dump(mode="json", exclude_none=True)
    return SuspectOut.model_validate(await backend_of(request).review("decide", number, values))
