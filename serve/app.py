"""The application on Ray Serve: `serve deploy serve/config.yaml`, or `wssis serve RUN`.

    Door (HTTP) -> Student    finds instances
                -> Labeller   teacher and refiner: masks of points
                -> Desk       bulk jobs, figures, which model is served

The door hands on the bytes of a picture as they came; whoever has the network decodes them, so a
picture crosses processes once and small.
"""

from typing import Any

from ray import serve
from ray.serve import Application
from ray.serve.config import AutoscalingConfig

from ray_wssis.config import check_config
from serve.config import ReplicaConfig, ServeConfig
from serve.desk import Desk
from serve.door import AnyHandle, Door, Handle
from serve.models import find_models
from serve.replicas import Asked, Detected, Labeller, Student

MANY = 1000  # requests at a time: the guard at the door says when there are too many


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
