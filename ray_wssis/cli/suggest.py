"""`wssis suggest`: objects that a trained student finds on more images, for a person to accept."""

from typing import Annotated

import typer

from ray_wssis.cli.options import AnyModel, ImageFolder, WorkerOverrides
from ray_wssis.config import load_config
from ray_wssis.logs import begin
from ray_wssis.session import configure, lasting
from ray_wssis.storage import locate


def suggest_command(
    run: AnyModel,
    images: ImageFolder,
    out: Annotated[
        str,
        typer.Option("--out", "-o", help="Folder to write suggestions.json to, a path or a URI."),
    ],
    score: Annotated[
        float, typer.Option(min=0.01, max=1, help="Score from which a found object is suggested.")
    ] = 0.3,
    overrides: WorkerOverrides = None,
    redo: Annotated[
        bool, typer.Option("--redo", help="Remake suggestions that were made from other inputs.")
    ] = False,
) -> None:
    """Write the objects that a student finds in more images, for a person to accept."""
    begin(locate(out))
    configure()
    folder = lasting(out)
    from ray_wssis.recipes.suggest import SUGGESTIONS, SuggestConfig, suggest  # imports torch

    config = load_config(SuggestConfig, None, [*(overrides or []), f"score={score}"])
    typer.echo(suggest(run, images, folder, config, redo=redo) / SUGGESTIONS)
