"""The HTTP application: routes of every concern, behind the guard and the access log."""

import importlib.metadata

from fastapi import Depends, FastAPI, Security
from fastapi.security import HTTPBearer
from fastapi.staticfiles import StaticFiles

from ray_wssis.logs import begin, wants_json
from ray_wssis.storage import locate
from wssis_serve.backend import Backend
from wssis_serve.config import ServeConfig
from wssis_serve.http import health, jobs, models, page, queue, review, segment
from wssis_serve.http.access_log import AccessLog, counting
from wssis_serve.http.errors import ERRORS, handle_errors
from wssis_serve.http.guard import Guard
from wssis_serve.http.parameters import check_query
from wssis_serve.http.state import set_state
from wssis_serve.label_studio import routes as label_studio
from wssis_serve.x_anylabeling import routes as x_anylabeling

TOKEN = HTTPBearer(auto_error=False, description="Where the server has a token")


def create_api(config: ServeConfig, backend: Backend, *, behind_proxy: bool = False) -> FastAPI:
    """The whole HTTP side of `backend`, which clients ask directly or through Ray's proxy."""
    if wants_json():
        begin(locate(config.model))
    api = bare_api()
    set_state(api, config, backend)
    api.mount("/page", StaticFiles(directory=page.PAGE))
    handle_errors(api)
    api.add_middleware(Guard, config=config, behind_proxy=behind_proxy)
    api.add_middleware(AccessLog, state=api.state)  # the last one is the outermost
    return api


def bare_api() -> FastAPI:
    """The routes, and what OpenAPI says about them."""
    api = FastAPI(
        title="ray-wssis",
        description="Finds instances in images, draws the masks of objects pointed at, or gives "
        "every pixel a class.",
        version=importlib.metadata.version("ray-wssis"),
        docs_url=None,  # these pages would load scripts from elsewhere
        redoc_url=None,
        lifespan=counting,
    )
    for concern in (segment, jobs, models, queue, review):
        api.include_router(
            concern.routes, responses=ERRORS, dependencies=[Depends(check_query), Security(TOKEN)]
        )
    for concern in (health, page, label_studio, x_anylabeling):
        api.include_router(concern.routes, responses=ERRORS)
    return api
