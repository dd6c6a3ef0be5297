"""The process that speaks HTTP, and its way to the others.  It has no network: no torch here."""

from typing import Any

from fastapi import FastAPI
from ray import serve
from ray.exceptions import RayError, RayTaskError
from ray.serve.exceptions import BackPressureError, DeploymentUnavailableError, RayServeException
from ray.serve.handle import DeploymentHandle

from wssis_serve.backend import Backend
from wssis_serve.config import ServeConfig
from wssis_serve.errors import ApiError
from wssis_serve.http.api import create_api

AnyHandle = DeploymentHandle[Any]

STUDENT, LABELLER, COORDINATOR = "Student", "Labeller", "Coordinator"  # deployments
ATTEMPTS = 3  # when a replica dies, its pending requests are retried on another one


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
                raise ApiError(503, "overloaded", "too many requests are waiting", 1) from error
            except (RayError, RayServeException) as error:
                if attempt == ATTEMPTS:
                    raise died() from error
        raise AssertionError("the last attempt returns or raises")

    async def tell(self, method: str, *args: Any) -> list[Any]:
        try:
            return list(await self.handle.broadcast(method, *args).results_async())
        except RayTaskError as error:
            raise cause_of(error) from None
        except (RayError, RayServeException) as error:
            raise died() from error


def died() -> ApiError:
    return ApiError(503, "overloaded", "a process of the endpoint died; ask again", 2)


def cause_of(error: RayTaskError) -> Exception:
    """The exception that was raised in the replica."""
    cause = error.cause
    return cause if isinstance(cause, ApiError | ValueError) else error


def replicas_of(deployment: str, application: str | None = None) -> Handle:
    """The replicas of a deployment by its name, by default in the application of this replica."""
    return Handle(serve.get_deployment_handle(deployment, application))


def backend_of(config: ServeConfig, takes_points: bool, application: str | None = None) -> Backend:
    """The replicas of an application (see `replicas_of`), with a labeller if it `takes_points`."""
    return Backend(
        student=replicas_of(STUDENT, application),
        labeller=replicas_of(LABELLER, application) if takes_points else None,
        coordinator=replicas_of(COORDINATOR, application),
        timeout_s=config.timeout_s,
    )


@serve.ingress()
class Ingress:
    def __init__(self, config: ServeConfig, takes_points: bool, coordinator: AnyHandle) -> None:
        """`coordinator`, and the networks that it is bound to, are deployed with the ingress."""
        self.config = config
        self.takes_points = takes_points

    def __serve_build_asgi_app__(self) -> FastAPI:  # Ray Serve calls it by this name
        backend = backend_of(self.config, self.takes_points)
        return create_api(self.config, backend, behind_proxy=True)
