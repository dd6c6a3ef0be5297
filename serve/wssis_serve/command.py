"""`wssis serve`: start the endpoint on this machine, or let a running one `--reload`."""

import ipaddress
import json
import os
import socket
import urllib.error
import urllib.request
from typing import Annotated, Any

import typer

from ray_wssis.config import apply_override, check_config
from ray_wssis.storage import locate
from wssis_serve.config import TOKEN_VARIABLE, ServeConfig

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
    queue: Annotated[
        str | None, typer.Option(help="Folder of images to label on the page, one by one.")
    ] = None,
    labels: Annotated[
        str | None,
        typer.Option(help="COCO file of these labels, read first; default QUEUE/labels.json."),
    ] = None,
    review: Annotated[
        bool,
        typer.Option("--review", help="Show the worst pseudo masks of the run, to be corrected."),
    ] = False,
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
    values |= {"queue": queue, "labels": labels} if queue is not None else {}
    values |= {"review": True} if review else {}
    for override in overrides or []:
        apply_override(values, override)
    config = check_config(ServeConfig, values, "wssis serve")
    from wssis_serve.engines.models import find_models  # imports Arrow

    find_models(config.model)  # a wrong folder is reported before anything starts
    if config.queue is not None:
        from wssis_serve.labelling.opened import open_queue

        open_queue(config)
    if config.review:
        from wssis_serve.labelling.review import Review

        typer.echo(f"corrections are learnt by: {Review(config.model).command}")
    run(config, host, port)


def run(config: ServeConfig, host: str, port: int) -> None:
    """Serve until SIGINT or SIGTERM.  Raises ValueError when the endpoint cannot start or go on."""
    from wssis_serve.http.guard import read_token  # imports Starlette

    token = read_token(config)
    if token is None and not is_loopback(host):
        raise ValueError(
            f"--host {host} can be reached from other machines, and there is no token. Put one "
            f"into the environment as {TOKEN_VARIABLE}, or into a file and --set token_file=FILE"
        )
    import asyncio

    from wssis_serve.engines.models import find_models
    from wssis_serve.one_machine.supervisor import Supervisor

    takes_points = find_models(config.model).teacher is not None
    with open_socket(host, port) as listening:
        typer.echo("starting Ray and the networks, which takes some 15 seconds")

        async def serve() -> None:
            await Supervisor(config, takes_points, listening, typer.echo).run()

        asyncio.run(serve())


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def open_socket(host: str, port: int) -> socket.socket:
    """The socket of the endpoint.  Raises ValueError when something is listening there already."""
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    found = socket.socket(family, kind, protocol)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        found.bind(address)
    except OSError as error:
        found.close()
        raise ValueError(
            f"port {port} of {host} is taken ({error.strerror}); use another --port, or "
            "--reload to let the endpoint there serve another model"
        ) from error
    return found


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
