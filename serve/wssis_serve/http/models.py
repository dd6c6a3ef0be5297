"""Routes about the models that are served."""

from fastapi import APIRouter, Request

from ray_wssis.storage import locate
from wssis_serve.config import ServeConfig
from wssis_serve.errors import ApiError
from wssis_serve.http.schemas import ModelsOut, ReloadIn
from wssis_serve.http.state import backend_of, config_of
from wssis_serve.roots import resolve

routes = APIRouter()


@routes.get("/v1/models")
async def list_models(request: Request) -> ModelsOut:
    """The served models: their classes, hashes and metrics."""
    known = await backend_of(request).models()
    takes_jobs = known["takes_points"] and config_of(request).jobs is not None
    config = config_of(request)
    return ModelsOut(
        **known,
        takes_jobs=takes_jobs,
        has_queue=config.queue is not None,
        has_review=config.review,
    )


@routes.post("/v1/models/reload")
async def reload_models(request: Request, wanted: ReloadIn) -> ModelsOut:
    """Serve another run or model, without losing a request."""
    model = str(resolve(wanted.model, model_roots(config_of(request))))
    try:
        await backend_of(request).reload(model)
    except ApiError as error:  # the message names the place as the caller did, not the real path
        message = error.message.replace(model, wanted.model[:100])
        raise ApiError(error.status, error.code, message, error.retry_after) from error
    return await list_models(request)


def model_roots(config: ServeConfig) -> list[str]:
    """The folders that `reload` may read."""
    return [*config.models, str(locate(config.model).parent)]
