"""The process that speaks HTTP, and how it asks the others.  It has no network: no torch here."""

from typing import Any

from fastapi import FastAPI
from ray import serve
from ray.exceptions import RayActorError, RayTaskError
from ray.serve.exceptions import BackPressureError, DeploymentUnavailableError
from ray.serve.handle import DeploymentHandle

from serve.api import create_api
from serve.backend import Backend
from serve.config import ServeConfig
from serve.errors import ApiError

AnyHandle = DeploymentHandle[Any]

ATTEMPTS = 2  # what a replica was at when it died is asked of another one


class Handle:
    """The replicas of a deployment, as `serve.backend` asks them."""

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


@serve.ingress()
class Door:
    def __init__(
        self,
        config: ServeConfig,
        student: AnyHandle,
        labeller: AnyHandle | None,
        desk: AnyHandle,
    ) -> None:
        self.config = config
        self.backend = Backend(
            student=Handle(student),
            labeller=None if labeller is None else Handle(labeller),
            desk=Handle(desk),
            timeout_s=config.timeout_s,
        )

    def __serve_build_asgi_app__(self) -> FastAPI:  # Ray Serve calls it by this name
        return create_api(self.config, self.backend)
