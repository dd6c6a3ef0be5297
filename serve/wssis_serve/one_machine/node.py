"""The process that starts Ray and the networks, and ends when Ray does.

{"config": {...}} -> {"ready": ADDRESS, "environment": {...}}
"""

import logging
import os
import time
from contextlib import suppress
from typing import Any

from ray_wssis.session import connect, is_lent
from wssis_serve.config import ReplicaConfig, ServeConfig
from wssis_serve.one_machine.child import given, say

NAME = "ray-wssis"
ONE_TRY = {"RAY_SERVE_MAX_PER_REPLICA_RETRY_COUNT": "1"}  # a bad model is bad the next time too
QUIET = {"log_level": "WARNING", "enable_access_log": False}
LOOK_EVERY = 0.2  # seconds
VITAL = ("raylet", "gcs_server")  # processes of Ray; without them no answer comes
RAY_DIED = 3  # exit status


def main() -> None:
    try:
        config = ServeConfig.model_validate(given()["config"])
        deploy(config)
        say(ready=address(), environment=settings())
        while not (dead := dead_processes()):
            time.sleep(LOOK_EVERY)
        say(error=f"{' and '.join(dead)} of Ray ended")
        os._exit(RAY_DIED)  # Ray's own farewell would wait for the dead
    except (ValueError, OSError) as error:
        say(error=str(error))
    except KeyboardInterrupt:  # SIGTERM of the supervisor, too
        stop()


def address() -> str:
    """The place where other processes of this machine attach to Ray."""
    import ray

    return str(ray.get_runtime_context().gcs_address)


def settings() -> dict[str, str]:
    """Variables of this process that others need for the same Ray."""
    names = [name for name in os.environ if name.startswith("RAY_") and name != "RAY_ADDRESS"]
    return {name: os.environ[name] for name in names}


def stop() -> None:
    import ray
    from ray import serve

    if ray.is_initialized():
        if is_lent():  # a cluster of ours ends with this process, and all that is in it
            with suppress(Exception):  # it may not be there yet, or not any more
                serve.delete(NAME)
        ray.shutdown()


def deploy(config: ServeConfig) -> None:
    """Start Ray and the replicas.  Raises ValueError or ConnectionError, with the reason."""
    if not is_lent():
        os.environ.update(ONE_TRY)  # Ray Serve reads it when it is imported, in its own processes
    connect()
    import ray
    from ray import serve

    from wssis_serve.app import build_without_ingress, takes_points

    logging.getLogger("ray.serve").setLevel(logging.WARNING)
    if not is_lent():
        check_gpus(config, takes_points(config), ray.cluster_resources().get("GPU", 0))
    serve.start(proxy_location="Disabled", logging_config=QUIET)
    try:
        serve.run(build_without_ingress(config), name=NAME, route_prefix=None)
    except RuntimeError as error:
        raise ValueError(f"the endpoint did not start: {reason(serve.status(), error)}") from error


def dead_processes() -> list[str]:
    """Vital processes of our own Ray that have ended; of a lent cluster, none are known."""
    import ray

    node: Any = ray._private.worker._global_node
    if node is None or is_lent():
        return []
    return sorted({name for name, _ in node.dead_processes() if name in VITAL})


def check_gpus(config: ServeConfig, takes_points: bool, num_gpus: float) -> None:
    """Raise ValueError when replicas would wait for GPUs that this machine does not have."""
    replicas: list[ReplicaConfig] = [config.student, *([config.labeller] if takes_points else [])]
    wanted = sum(each.number * each.gpus_each for each in replicas)
    if wanted > num_gpus:
        raise ValueError(
            f"the replicas want {wanted:g} GPUs and this machine has {num_gpus:g}: lower "
            "student.number or gpus_each, and those of labeller"
        )


def reason(status: Any, error: RuntimeError) -> str:
    """The last message of the deployment that failed."""
    for deployment in status.applications[NAME].deployments.values():
        lines = deployment.message.strip().splitlines()
        if lines and deployment.status not in ("HEALTHY", "UPDATING"):
            return str(lines[-1])
    return str(error)


if __name__ == "__main__":
    main()
