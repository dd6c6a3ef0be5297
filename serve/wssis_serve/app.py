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
from wssis_serve.config import ReplicaConfig, ServeConfig
from wssis_serve.coordinator import Desk
from wssis_serve.ingress import DESK, AnyHandle, Door, replicas_of
from wssis_serve.models import find_models
from wssis_serve.replicas import Labeller, Student

# Requests at a time: the guard at the door says when there are too many.  With fewer for a network
# than wait for it, Ray's router would look for room only every now and then.
MANY = 1000


class StudentReplica(Student):
    async def __init__(self, config: ServeConfig) -> None:  # type: ignore[misc]
        super().__init__(config, replicas_of(DESK))
        await self.start()


class LabellerReplica(Labeller):
    async def __init__(self, config: ServeConfig) -> None:  # type: ignore[misc]
        super().__init__(config, replicas_of(DESK))
        await self.start()


class DeskReplica(Desk):
    def __init__(self, config: ServeConfig, *networks: AnyHandle) -> None:
        """`networks` are deployed with it."""
        super().__init__(config)


def build(args: dict[str, Any]) -> Application:
    """The application for the values of a `ServeConfig`.  Raises ConfigError."""
    config = check_config(ServeConfig, args, "the arguments of the application")
    door = deployment(Door, number=config.doors, cpus=config.door_cpus)
    return door.bind(config, takes_points(config), build_without_door(config))


def build_without_door(config: ServeConfig) -> Application:
    """For who speaks HTTP in a process of their own.  Raises ValueError without a student."""
    networks = [network(StudentReplica, config.student).bind(config)]
    if takes_points(config):
        networks.append(network(LabellerReplica, config.labeller).bind(config))
    return deployment(DeskReplica, cpus=0).bind(config, *networks)


def takes_points(config: ServeConfig) -> bool:
    """Whether there are teacher and refiner to serve."""
    return find_models(config.model).teacher is not None


def deployment(cls: type, *, number: int = 1, cpus: float) -> serve.Deployment:
    return serve.deployment(
        name=cls.__name__.removesuffix("Replica"),
        num_replicas=number,
        max_ongoing_requests=MANY,
        ray_actor_options={"num_cpus": cpus},
    )(cls)


def network(cls: type, workers: ReplicaConfig) -> serve.Deployment:
    """A deployment whose replicas have networks."""
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
        max_ongoing_requests=MANY,
        ray_actor_options={"num_cpus": workers.cpus_each, "num_gpus": workers.gpus_each},
        **how_many,
    )(cls)
