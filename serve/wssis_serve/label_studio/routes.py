"""The machine-learning backend of a Label Studio: masks of clicked objects, and pre-annotation.

A project needs an `Image`, `BrushLabels` named like the model's classes, and for points
`KeyPointLabels` with the same names.  While a person clicks (`smart="true"`), every class that was
clicked becomes one mask.  Without a click, a task with stored key points gets a mask for each, and
a task without any gets the instances that the student finds.  A semantic student answers every task
with a mask for each class that it sees, whatever was pointed at; choices with the names of classes
are the tags of the task.
"""

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from wssis_serve.errors import unprocessable
from wssis_serve.http.state import backend_of, config_of
from wssis_serve.label_studio.points import Marks, Task
from wssis_serve.label_studio.predictor import Predictor
from wssis_serve.label_studio.project import (
    check_classes,
    classes_of,
    read_label_config,
    version_of,
)
from wssis_serve.segmented import Kind

routes = APIRouter(tags=["Label Studio"])


class PredictParams(BaseModel):
    context: Marks | None = None  # the clicks; None: nobody has clicked


class PredictIn(BaseModel):
    tasks: list[Task]
    label_config: str = Field(description="XML, as in the settings of the project")
    params: PredictParams = PredictParams()


class SetupIn(BaseModel):
    label_config: str = Field(alias="schema", description="XML, as in the settings of the project")


@routes.get("/health")
async def health() -> dict[str, str]:
    """Answer as long as this process is alive."""
    return {"status": "UP"}


@routes.post("/setup")
async def setup(request: Request, wanted: SetupIn) -> dict[str, str]:
    """Accept a project whose labelling configuration fits, and name the model that will answer."""
    models = await backend_of(request).models()
    check_classes(read_label_config(wanted.label_config), classes_of(models))
    return {"model_version": version_of(models)}


@routes.get("/versions")
async def versions(request: Request) -> dict[str, list[str]]:
    """The one model version that is served."""
    return {"versions": [version_of(await backend_of(request).models())]}


@routes.post("/webhook")
async def webhook(event: dict[str, Any]) -> dict[str, str]:
    """Accept news of a project; they change nothing here."""
    if event.get("action") == "START_TRAINING":
        raise unprocessable("this server does not train; export the project, and use `wssis run`")
    return {"status": "ignored"}


@routes.post("/predict")
async def predict(request: Request, wanted: PredictIn) -> JSONResponse:
    """Masks as brush regions, an entry of `results` for each task.

    A task that cannot be answered, or not in time, has `error` instead of `result`.  Label Studio
    writes it to its log and asks for the task again the next time.
    """
    backend = backend_of(request)
    tags, models = read_label_config(wanted.label_config), await backend.models()
    known = classes_of(models)
    check_classes(tags, known)
    predictor = Predictor(
        backend=backend,
        config=config_of(request),
        tags=tags,
        known=known,
        version=version_of(models),
        uses_points=models["kind"] != Kind.SEMANTIC,
    )
    context = wanted.params.context
    if context is not None:
        results = [await predictor.click(task, context) for task in wanted.tasks]
    else:
        results = await predictor.predict(wanted.tasks)
    return JSONResponse({"results": results})
