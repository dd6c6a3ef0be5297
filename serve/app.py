"""The application on Ray Serve: `serve deploy serve/config.yaml`, or `wssis serve RUN`.

    Door (HTTP) -> Student    finds instances
                -> Labeller   teacher and refiner: masks of points
                -> Desk       bulk jobs, figures, which model is served

The door hands on the bytes of a picture as they came; whoever has the network decodes them, so a
picture crosses processes once and small.
"""

from typing import Any

from fastapi import FastAPI
from ray import serve
from ray.exceptions import RayActorError, RayTaskError
from ray.serve import Application
from ray.serve.config import AutoscalingConfig
from ray.serve.exceptions import BackPressureError, DeploymentUnavailableError
from ray.serve.handle import DeploymentHandle

from ray_wssis.config import check_config
from serve.api import create_api
from serve.backend import Backend
from serve.config import ReplicaConfig, ServeConfig
from serve.desk import Desk
from serve.errors import ApiError
from serve.models import find_models
from serve.replicas import Asked, Detected, Labeller, Student

AnyHandle = DeploymentHandle[Any]

MANY = 1000  # requests at a time: the guard at the door says when there are too many
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


class StudentReplica(Student):
    """Pictures that come while the network is busy go through it together."""

    async def __init__(self, config: ServeConfig, desk: AnyHandle) -> None:  # type: ignore[misc]
        super().__init__(config, Handle(desk))
        self.detect.set_max_batch_size(config.student.batch_size)  # type: ignore[attr-defined]
        await self.start()

    @serve.batch(batch_wait_timeout_s=0)  # who comes first is not kept waiting for others
    async def detect(self, asked: list[Asked]) -> list[Detected]:
        return await self.detect_together(asked)


class LabellerReplica(Labeller):
    async def __init__(self, config: ServeConfig, desk: AnyHandle) -> None:  # type: ignore[misc]
        super().__init__(config, Handle(desk))
        await self.start()


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


def build(args: dict[str, Any]) -> Application:
    """The application for the values of a `ServeConfig`.  Raises ConfigError."""
    config = check_config(ServeConfig, args, "the arguments of the application")
    models = find_models(config.model)
    desk = deployment(Desk, cpus=0).bind(config)
    student = network(StudentReplica, config.student).bind(config, desk)
    labeller = None
    if models.teacher is not None:
        labeller = network(LabellerReplica, config.labeller).bind(config, desk)
    door = deployment(Door, number=config.doors, cpus=config.door_cpus)
    return door.bind(config, student, labeller, desk)


def deployment(cls: type, *, number: int = 1, cpus: float) -> serve.Deployment:
    return serve.deployment(
        name=cls.__name__,
        num_replicas=number,
        max_ongoing_requests=MANY,
        ray_actor_options={"num_cpus": cpus},
    )(cls)


def network(cls: type, workers: ReplicaConfig) -> serve.Deployment:
    """A deployment whose replicas have networks."""
    at_a_time = 2 * workers.batch_size  # one batch in the network, one that gathers
    most = workers.max_number or workers.number
    how_many: dict[str, Any] = {"num_replicas": workers.number}
    if most > workers.number:
        scaling = AutoscalingConfig(
            min_replicas=workers.number,
            max_replicas=most,
            target_ongoing_requests=workers.batch_size,
        )
        how_many = {"autoscaling_config": scaling}
    return serve.deployment(
        name=cls.__name__.removesuffix("Replica"),
        max_ongoing_requests=at_a_time,
        ray_actor_options={"num_cpus": workers.cpus_each, "num_gpus": workers.gpus_each},
        **how_many,
    )(cls)
