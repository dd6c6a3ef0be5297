"""The application on Ray Serve: `serve deploy serve/config.yaml`, or `wssis serve RUN`.

    Ingress (HTTP) -> Student      finds instances
                   -> Labeller     teacher and refiner: masks of points
                   -> Coordinator  bulk jobs, figures, which model is served

The ingress passes on the bytes of an image as they came; the process that has the network decodes
them, so an image crosses processes once and small.
"""

import asyncio
from typing import Any

from ray import serve
from ray.experimental.internal_kv import _internal_kv_get, _internal_kv_put
from ray.serve import Application
from ray.serve.config import AutoscalingConfig

from ray_wssis.config import check_config
from wssis_serve.config import ReplicaConfig, ServeConfig
from wssis_serve.coordinator import Coordinator
from wssis_serve.engines.models import find_models
from wssis_serve.ingress import COORDINATOR, AnyHandle, Ingress, replicas_of
from wssis_serve.replicas import Labeller, Student

# Requests at a time.  The guard of the ingress sets the limit that callers meet: with fewer here
# than are waiting, Ray's router would look for a free replica only now and then.
MANY = 1000
LOOK_EVERY = 1.0  # seconds until a replica that died is missed


class StudentReplica(Student):
    async def __init__(self, config: ServeConfig) -> None:  # type: ignore[misc]
        super().__init__(config, replicas_of(COORDINATOR))
        await self.start()
        self.trial = asyncio.create_task(self.hasten())

    async def switch(self, model: str) -> None:
        await super().switch(model)
        self.trial = asyncio.create_task(self.hasten())


class LabellerReplica(Labeller):
    async def __init__(self, config: ServeConfig) -> None:  # type: ignore[misc]
        super().__init__(config, replicas_of(COORDINATOR))
        await self.start()


class CoordinatorReplica(Coordinator):
    """Remembers what a reload chose, in Ray's own store, while the same model is configured."""

    def __init__(self, config: ServeConfig, *networks: AnyHandle) -> None:
        """`networks` are deployed with it."""
        super().__init__(config)
        application = serve.get_replica_context().app_name
        self.key = f"wssis/{application}/{config.model}".encode()
        chosen = _internal_kv_get(self.key)
        if chosen is not None:
            self.model = chosen.decode()

    async def choose(self, model: str) -> None:
        await super().choose(model)
        _internal_kv_put(self.key, model.encode(), overwrite=True)


def build(args: dict[str, Any]) -> Application:
    """The application for the values of a `ServeConfig`.  Raises ConfigError."""
    config = check_config(ServeConfig, args, "the arguments of the application")
    ingress = deployment(Ingress, number=config.ingresses, cpus=config.ingress_cpus)
    return ingress.bind(config, takes_points(config), build_without_ingress(config))


def build_without_ingress(config: ServeConfig) -> Application:
    """The application for a process that speaks HTTP itself.  Raises ValueError without a model."""
    networks = [network(StudentReplica, config.student).bind(config)]
    if takes_points(config):
        networks.append(network(LabellerReplica, config.labeller).bind(config))
    return deployment(CoordinatorReplica, cpus=0).bind(config, *networks)


def takes_points(config: ServeConfig) -> bool:
    """Tell whether a teacher and a refiner can be served."""
    return find_models(config.model).teacher is not None


def deployment(cls: type, *, number: int = 1, cpus: float) -> serve.Deployment:
    return serve.deployment(
        name=cls.__name__.removesuffix("Replica"),
        num_replicas=number,
        max_ongoing_requests=MANY,
        health_check_period_s=LOOK_EVERY,
        ray_actor_options={"num_cpus": cpus},
    )(cls)


def network(cls: type, workers: ReplicaConfig) -> serve.Deployment:
    """A deployment whose replicas have networks."""
    max_number = workers.max_number or workers.number
    replicas: dict[str, Any] = {"num_replicas": workers.number}
    if max_number > workers.number:
        scaling = AutoscalingConfig(
            min_replicas=workers.number,
            max_replicas=max_number,
            target_ongoing_requests=workers.batch_size,
        )
        replicas = {"autoscaling_config": scaling}
    return serve.deployment(
        name=cls.__name__.removesuffix("Replica"),
        max_ongoing_requests=MANY,
        health_check_period_s=LOOK_EVERY,
        ray_actor_options={"num_cpus": workers.cpus_each, "num_gpus": workers.gpus_each},
        **replicas,
    )(cls)
