"""The remote server of an X-AnyLabeling: what the student finds, and the mask of a clicked object.

X-AnyLabeling asks a server for its models, shows a button or a slider for each of their `widgets`,
and sends images with what a person did.  Its own server is at the root of an address, ours below
`/x-anylabeling`, because both have a `/v1/models`.

A click says nothing of the object's class, and a mask depends on it.  So every class is asked
about, and the mask that is expected to be the best one is taken; the person names the object.
"""

import asyncio
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from ray_wssis.data.records import Click
from wssis_serve.engines.images import check
from wssis_serve.errors import unprocessable
from wssis_serve.http.forms import from_data_uri
from wssis_serve.http.schemas import Place
from wssis_serve.http.state import backend_of, config_of
from wssis_serve.segmented import Instance, Kind, PointQuery, Question, Segmented
from wssis_serve.x_anylabeling.shapes import UNNAMED, found_shapes, outlined

STUDENT, POINTS = "student", "points"  # ids of the models
THRESHOLD = 0.3  # at first
FINENESS = 10  # of outlines at first; 1 to 100 are tolerances of 0.0001 to 0.01

routes = APIRouter(prefix="/x-anylabeling", tags=["X-AnyLabeling"])


class PointMark(BaseModel):
    type: Literal["point"]
    data: Place = Field(description="x and y")
    label: int = Field(default=1, description="1: on the object, 0: off it")


class OtherMark(BaseModel):
    type: Literal["rectangle"]


Mark = Annotated[PointMark | OtherMark, Field(discriminator="type")]


class Params(BaseModel):
    conf_threshold: float = Field(default=0, ge=0, le=1, description="0: the default of the server")
    epsilon_factor: float = Field(
        default=0, ge=0, le=1, description="Tolerance over length of an outline"
    )
    marks: list[Mark] = []


class PredictIn(BaseModel):
    model: Literal["student", "points"]
    image: str = Field(description="Base64, as a data: URI or without its head")
    params: Params = Params()


@routes.get("/v1/models")
async def list_models(request: Request) -> dict[str, Any]:
    """The models to choose from, and the widgets of each."""
    known = await backend_of(request).models()
    threshold = {"name": "edit_conf", "value": THRESHOLD}
    fineness = [
        {"name": "mask_fineness_slider", "value": FINENESS},
        {"name": "mask_fineness_value_label", "value": None},
    ]
    keep = {"name": "toggle_preserve_existing_annotations", "value": False}
    clicks = ("button_add_point", "button_remove_point", "button_clear", "button_finish_object")
    offered = {
        STUDENT: {
            "display_name": "ray-wssis: find everything",
            "widgets": [{"name": "button_run", "value": None}, threshold, *fineness, keep],
            "params": {},
            "batch_processing_mode": "default",
        },
        POINTS: {
            "display_name": "ray-wssis: point at an object",
            "widgets": [*({"name": name, "value": None} for name in clicks), *fineness],
            "params": {},
            "batch_processing_mode": None,
        },
    }
    if not known["takes_points"]:
        del offered[POINTS]
    return {"success": True, "data": offered}


@routes.post("/v1/predict")
async def predict(request: Request, wanted: PredictIn) -> JSONResponse:
    """The objects of an image as polygons; parts of one object make a group."""
    image = await asyncio.to_thread(from_data_uri, wanted.image)
    await asyncio.to_thread(check, image, config_of(request).max_megapixels)
    data = await (clicked if wanted.model == POINTS else found)(request, image, wanted.params)
    return JSONResponse({"success": True, "data": {"description": "", **data}})


async def found(request: Request, image: bytes, params: Params) -> dict[str, Any]:
    """The objects that the student finds; a semantic one knows no threshold."""
    backend = backend_of(request)
    is_semantic = (await backend.models())["kind"] == Kind.SEMANTIC
    threshold = None if is_semantic else params.conf_threshold or None
    answer = await backend.segment(image, Question(threshold=threshold))
    return {"shapes": await asyncio.to_thread(found_shapes, answer, params.epsilon_factor)}


async def clicked(request: Request, image: bytes, params: Params) -> dict[str, Any]:
    """The mask around the clicks, without a name; none where no class has one there."""
    clicks = [mark for mark in params.marks if isinstance(mark, PointMark)]
    first = next((mark for mark in clicks if mark.label == 1), None)
    if first is None:
        raise unprocessable("no point is on an object; add one (boxes are not used here)")
    more = [Click(*mark.data, mark.label == 1) for mark in clicks if mark is not first]
    known = await backend_of(request).models()
    x, y = first.data
    asked = [
        PointQuery(x=x, y=y, category=each["category_id"], clicks=more)
        for each in known["models"][0]["classes"]
    ]
    drawn = await backend_of(request).masks(image, None, asked)
    best = max(drawn.instances, key=how_good)
    return {"shapes": shapes_of(drawn, best, params.epsilon_factor), "replace": False}


def shapes_of(drawn: Segmented, best: Instance, tolerance: float) -> list[dict[str, Any]]:
    if best.mask is None:
        return []
    guess = drawn.categories[best.label].name
    size = drawn.image.height, drawn.image.width
    return list(outlined(best.mask, size, UNNAMED, how_good(best), tolerance, description=guess))


def how_good(instance: Instance) -> float:
    """The expected IoU of a mask, or its score where nothing is calibrated; -1 without a mask."""
    if instance.mask is None:
        return -1.0
    return instance.score if instance.expected_iou is None else instance.expected_iou
