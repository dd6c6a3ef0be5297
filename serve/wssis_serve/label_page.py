"""`wssis label-page`: the page to label a folder with, from nothing, without any model or Ray."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wssis_serve.command import is_loopback, open_socket
from wssis_serve.config import TOKEN_VARIABLE, ServeConfig
from wssis_serve.errors import ApiError

if TYPE_CHECKING:  # the command line must not take the time to import Arrow
    from ray_wssis.data.records import Category


def label_page_command(
    images: Annotated[str, typer.Argument(help="Folder of the images to label.")],
    classes: Annotated[
        str | None,
        typer.Option(help="Names of the classes, with commas; needed to begin a file of labels."),
    ] = None,
    labels: Annotated[
        str | None,
        typer.Option(help="COCO file of the labels, read first; default IMAGES/labels.json."),
    ] = None,
    class_maps: Annotated[
        bool,
        typer.Option(
            "--class-maps",
            help="Strokes and tags, not objects; LABELS is then a folder, default IMAGES_labels.",
        ),
    ] = False,
    suggestions: Annotated[
        str | None,
        typer.Option(help="File that `wssis suggest` wrote: objects to accept with one key each."),
    ] = None,
    host: Annotated[
        str, typer.Option(help="Address to listen on; 0.0.0.0 for all, which needs a token.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535)] = 8000,
) -> None:
    """Label images from nothing: points and masks, or strokes and tags, saved to train with."""
    import uvicorn

    from wssis_serve.http.guard import read_token
    from wssis_serve.labelling.training import ready_to_train

    if class_maps and suggestions is not None:
        raise ValueError("--suggestions are objects; they cannot be accepted with --class-maps")
    config = ServeConfig(model=images, queue=images, labels=labels)  # of the model, nothing is read
    if read_token(config) is None and not is_loopback(host):
        raise ValueError(
            f"--host {host} can be reached from other machines, and there is no token. Put one "
            f"into the environment as {TOKEN_VARIABLE}"
        )
    if class_maps:
        api, queue = strokes_page(config, classes)
    else:
        api, queue = label_page(config, classes, suggestions)
    with open_socket(host, port) as listening:
        listening.listen(128)
        typer.echo(f"http://{host}:{port}/ shows the images; press Ctrl-C to stop")
        server = uvicorn.Server(uvicorn.Config(api, http="h11", log_level="warning"))
        with suppress(KeyboardInterrupt):
            asyncio.run(server.serve(sockets=[listening]))
    for line in ready_to_train(queue, images):
        typer.echo(line)


def label_page(
    config: ServeConfig, classes: str | None, suggestions: str | None = None
) -> tuple[Any, Any]:
    """The application, and the `Queue` in it.  Raises ValueError for what cannot be labelled."""
    from ray_wssis.data.coco.read import read_categories
    from ray_wssis.storage import locate
    from wssis_serve.labelling.queue import Queue, labels_file

    assert config.queue is not None
    file = labels_file(config.queue, config.labels)
    known = read_categories(file) if file.exists() else ()
    if suggestions is not None and not known:
        known = read_categories(locate(suggestions))
    queue = Queue(config.queue, config.labels, named(classes, known), suggestions)
    return alone(config, queue, "segmenter"), queue


def strokes_page(config: ServeConfig, classes: str | None) -> tuple[Any, Any]:
    """The application, and the `StrokesQueue` in it.  Raises ValueError as `label_page`."""
    from ray_wssis.data.class_maps.classes import read_classes
    from wssis_serve.labelling.strokes import CLASSES, StrokesQueue, labels_folder

    assert config.queue is not None
    file = labels_folder(config.queue, config.labels) / CLASSES
    known = read_classes(str(file)).categories if file.exists() else ()
    queue = StrokesQueue(config.queue, config.labels, named(classes, known, first=0))
    return alone(config, queue, "semantic"), queue


def alone(config: ServeConfig, queue: Any, kind: str) -> Any:
    """The application of a server that has nothing but a queue."""
    from wssis_serve.backend import Backend
    from wssis_serve.http.api import create_api

    server = Alone(queue, kind)
    backend = Backend(student=server, labeller=None, coordinator=server, timeout_s=config.timeout_s)
    return create_api(config, backend)


def named(classes: str | None, known: Sequence["Category"], *, first: int = 1) -> list["Category"]:
    """The classes of a file, and those of `classes`, names with commas, that it does not have.

    Ids of new classes follow the known ones, or begin with `first`.
    Raises ValueError for names that repeat, and without any class.
    """
    from ray_wssis.data.records import Category

    names = [name.strip() for name in (classes or "").split(",") if name.strip()]
    if len(set(names)) < len(names):
        raise ValueError(f"--classes {classes}: a name occurs twice")
    following = max((category.id for category in known), default=first - 1) + 1
    new = [name for name in names if name not in {category.name for category in known}]
    numbered = enumerate(new, following)
    found = [*known, *(Category(id=number, name=name) for number, name in numbered)]
    if not found:
        raise ValueError("there are no classes yet; name them: --classes cat,dog")
    return found


class Alone:
    """A server without networks: it keeps labels, and answers nothing else."""

    def __init__(self, queue: Any, kind: str) -> None:
        self.opened, self.kind = queue, kind

    async def ask(self, method: str, *args: Any) -> Any:
        from wssis_serve.labelling.opened import answer_of  # imports Arrow

        match method:
            case "queue":
                return await asyncio.to_thread(answer_of, self.opened, *args)
            case "describe":
                return {"kind": self.kind, "models": []}
            case "figures":
                return b""
            case "count":
                return None
        raise ApiError(
            404,
            "not_found",
            "this server has no model; `wssis serve RUN --queue FOLDER` labels with one",
        )

    async def tell(self, method: str, *args: Any) -> list[Any]:
        return [await self.ask(method, *args)]
