"""`wssis tag`: a table of the classes that a trained student finds on more images."""

from typing import Annotated

import typer

from ray_wssis.cli.options import AnyModel, ImageFolder, WorkerOverrides
from ray_wssis.config import load_config
from ray_wssis.logs import begin
from ray_wssis.session import configure, lasting
from ray_wssis.storage import locate


def tag_command(
    run: AnyModel,
    images: ImageFolder,
    out: Annotated[
        str, typer.Option("--out", "-o", help="Folder to write tags.csv to, a path or a URI.")
    ],
    score: Annotated[
        float, typer.Option(min=0.01, max=1, help="Score from which a found object is a tag.")
    ] = 0.5,
    overrides: WorkerOverrides = None,
    redo: Annotated[
        bool, typer.Option("--redo", help="Remake tags that were made from other inputs.")
    ] = False,
) -> None:
    """Write the classes that a student finds in more images, for recipes that learn from tags."""
    begin(locate(out))
    configure()
    folder = lasting(out)
    from ray_wssis.recipes.tag import TAGS, TagConfig, tag  # imports torch

    config = load_config(TagConfig, None, [*(overrides or []), f"score={score}"])
    typer.echo(tag(run, images, folder, config, redo=redo) / TAGS)
