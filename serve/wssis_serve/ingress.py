"""The process that speaks HTTP, and how it asks the others.  It has no network: no torch here."""

from typing import Any

from fastapi import FastAPI
from ray import serve
from ray.exceptions import RayActorError, RayTaskError
from ray.serve.exceptions import BackPressureError, DeploymentUnavailableError
from ray.serve.handle import DeploymentHandle

from wssis_serve.backend import Backend
from wssis_serve.config import ServeConfig
from wssis_serve.http.api import create_api
from wssis_serve.http.errors import ApiError

AnyHandle = DeploymentHandle[Any]

STUDENT, LABELLER, DESK = "Student", "Labeller", "Desk"  # deployments
ATTEMPTS = 2  # what a replica was at when it died is asked of another one


class Handle:
    """The replicas of a deployment, as `wssis_serve.backend` asks them."""

    def __init__(self, handle: AnyHandle) -> None:
        self.handle = handle

    async def ask(self, method: str, *args: Any) -> Any:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return await getattr(self.handle, method).remote(*args)
            except RayTaskError as error:
                raise cause_of(error) from None
            except (BackPressureError, DeploymentUnavailableError) as error:
                raise ApiError(503, "overloaded", "too many requests wait", 1) from error
            except RayActorError as error:
                if attempt == ATTEMPTS:
                    raise ApiError(503, "overloaded", "a process died, try again", 1) from error
        raise AssertionError("the last attempt returns or raises")

    async def tell(self, method: str, *args: Any) -> list[Any]:
        try:
            return list(await self.handle.broadcast(method, *args).results_async())
        except RayTaskError as error:
            raise cause_of(error) from None


def cause_of(error: RayTaskError) -> Exception:
    """What was raised in the replica."""
    cause = error.cause
    return cause if isinstance(cause, ApiError | ValueError) else error


def replicas_of(deployment: str, application: str | None = None) -> Handle:
    """Those of a deployment by its name; without one, of the application of this replica."""
    return Handle(serve.get_deployment_handle(deployment, application))


def backend_of(config: ServeConfig, takes_points: bool, application: str | None = None) -> Backend:
    """The replicas of an application, see `replicas_of`; with `takes_points`, a labeller too."""
    return Backend(
        student=replicas_of(STUDENT, application),
        labeller=replicas_of(LABELLER, application) if takes_points else None,
        desk=replicas_of(DESK, application),
        timeout_s=config.timeout_s,
    )


@serve.ingress()
class Door:
    def __init__(self, config: ServeConfig, takes_points: bool, desk: AnyHandle) -> None:
        """`desk`, and what comes with it, is deployed with the door."""
        self.config = config
        self.takes_points = takes_points

    def __serve_build_asgi_app__(self) -> FastAPI:  # Ray Serve calls it by this name
        return create_api(self.config, backend_of(self.config, self.takes_points))
