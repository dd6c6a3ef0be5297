"""`wssis serve`: start the endpoint on this machine, or let a running one `--reload`."""

import ipaddress
import json
import logging
import os
import socket
import urllib.error
import urllib.request
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ray_wssis.config import apply_override, check_config
from ray_wssis.storage import locate
from wssis_serve.config import TOKEN_VARIABLE, ServeConfig

if TYPE_CHECKING:  # it imports Ray, which takes a second
    from ray.serve.schema import ServeStatus

NAME = "ray-wssis"
ONE_TRY = {"RAY_SERVE_MAX_PER_REPLICA_RETRY_COUNT": "1"}  # a bad model is bad the next time too
QUIET = {"log_level": "WARNING", "enable_access_log": False}
RELOAD_WITHIN = 600  # seconds
ONE_MACHINE = {  # nothing else runs here, and bulk jobs need the CPUs
    "ingress_cpus": 0,
    "student": {"cpus_each": 0},
    "labeller": {"cpus_each": 0},
}


def serve_command(
    model: Annotated[
        str,
        typer.Argument(help="A run folder (student, teacher, refiner), or a model folder."),
    ],
    host: Annotated[
        str, typer.Option(help="Address to listen on; 0.0.0.0 for all, which needs a token.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535)] = 8000,
    images: Annotated[
        list[str] | None,
        typer.Option(help="Folder that bulk jobs and annotation tools may read; repeatable."),
    ] = None,
    jobs: Annotated[
        str | None, typer.Option(help="Folder for the work and the results of bulk jobs.")
    ] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="A.B=C", help="Change one value of the ServeConfig."),
    ] = None,
    reload: Annotated[
        bool,
        typer.Option("--reload", help="Let the running endpoint at --host and --port serve this."),
    ] = False,
) -> None:
    """Serve a trained model over HTTP: segment images, draw masks for points, label folders."""
    if reload:
        for served in ask_to_reload(model, host, port)["models"]:
            typer.echo(f"{served['name']} {served['hash']}")
        return
    values: dict[str, Any] = ONE_MACHINE | {"model": str(locate(model))}
    values |= {"images": [str(locate(folder)) for folder in images or []]}
    values |= {"jobs": str(locate(jobs))} if jobs is not None else {}
    for override in overrides or []:
        apply_override(values, override)
    config = check_config(ServeConfig, values, "wssis serve")
    from wssis_serve.engines.models import find_models  # imports Arrow

    find_models(config.model)  # a wrong folder is reported before anything starts
    run(config, host, port)


def run(config: ServeConfig, host: str, port: int) -> None:
    """Serve until SIGINT or SIGTERM.

    On one machine this process speaks HTTP itself: an image passes through two processes fewer.
    """
    from wssis_serve.http.guard import read_token  # imports Starlette

    token = read_token(config)
    if token is None and not is_loopback(host):
        raise ValueError(
            f"--host {host} can be reached from other machines, and there is no token. Put one "
            f"into the environment as {TOKEN_VARIABLE}, or into a file and --set token_file=FILE"
        )
    check_port(host, port)
    from ray_wssis.session import connect, is_lent

    if not is_lent():
        os.environ.update(ONE_TRY)  # Ray Serve reads it when it is imported, in its own processes
    connect()
    import ray
    import uvicorn
    from ray import serve

    from wssis_serve.app import build_without_ingress, takes_points
    from wssis_serve.http.api import create_api
    from wssis_serve.ingress import backend_of

    logging.getLogger("ray.serve").setLevel(logging.WARNING)
    try:
        if not is_lent():
            check_gpus(config, takes_points(config), ray.cluster_resources().get("GPU", 0))
        serve.start(proxy_location="Disabled", logging_config=QUIET)
        try:
            serve.run(build_without_ingress(config), name=NAME, route_prefix=None)
        except RuntimeError as error:
            raise ValueError(
                f"the endpoint did not start: {reason(serve.status(), error)}"
            ) from error
        api = create_api(config, backend_of(config, takes_points(config), NAME))
        typer.echo(f"http://{host}:{port}/ is ready; press Ctrl-C to stop")
        with suppress(KeyboardInterrupt):
            uvicorn.run(api, host=host, port=port, log_level="warning")
        if is_lent():  # a cluster of ours ends with this process, and all that is in it
            serve.delete(NAME)
    finally:
        ray.shutdown()


def check_gpus(config: ServeConfig, takes_points: bool, num_gpus: float) -> None:
    """Raise ValueError when replicas would wait for GPUs that this machine does not have."""
    replicas = [config.student, *([config.labeller] if takes_points else [])]
    wanted = sum(each.number * each.gpus_each for each in replicas)
    if wanted > num_gpus:
        raise ValueError(
            f"the replicas want {wanted:g} GPUs and this machine has {num_gpus:g}: lower "
            "student.number or gpus_each, and those of labeller"
        )


def reason(status: "ServeStatus", error: RuntimeError) -> str:
    """The last message of the deployment that failed."""
    for deployment in status.applications[NAME].deployments.values():
        lines = deployment.message.strip().splitlines()
        if lines and deployment.status not in ("HEALTHY", "UPDATING"):
            return lines[-1]
    return str(error)


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_port(host: str, port: int) -> None:
    """Raise ValueError when something is listening there already."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise ValueError(
                f"port {port} of {host} is taken ({error.strerror}); use another --port, or "
                "--reload to let the endpoint there serve another model"
            ) from error


def ask_to_reload(model: str, host: str, port: int) -> dict[str, Any]:
    """Reload a running endpoint.  Returns what it serves then; raises ValueError if it refuses."""
    url = f"http://{host}:{port}/v1/models/reload"
    headers = {"Content-Type": "application/json"}
    if token := os.environ.get(TOKEN_VARIABLE):
        headers["Authorization"] = f"Bearer {token}"
    body = json.dumps({"model": str(locate(model))}).encode()
    request = urllib.request.Request(url, body, headers)
    try:
        with urllib.request.urlopen(request, timeout=RELOAD_WITHIN) as answer:
            served: dict[str, Any] = json.load(answer)
            return served
    except urllib.error.HTTPError as error:
        reason = json.load(error)["error"]["message"]
        raise ValueError(f"{url} refuses: {reason}") from None
    except urllib.error.URLError as error:
        raise ValueError(f"{url}: nothing answers there ({error.reason})") from error
