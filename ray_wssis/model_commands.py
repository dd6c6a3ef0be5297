"""`wssis import-checkpoint`: what is done with a model folder."""

from typing import Annotated, Literal

import typer


def import_checkpoint(
    file: Annotated[
        str, typer.Argument(help="Published SOLOv2 or MaskRefineNet, a path or a URI (.pth, .pt).")
    ],
    out: Annotated[str, typer.Argument(help="Model folder to write, new or empty.")],
    grids: Annotated[
        Literal["teacher", "student"] | None,
        typer.Option(
            show_default="student",
            help="SOLOv2: whose grids and scale ranges; the weights do not show them.",
        ),
    ] = None,
    categories: Annotated[
        str | None,
        typer.Option(
            metavar="COCO.JSON",
            show_default="COCO's for 80 classes, BDD100K's for 8, else numbers",
            help="File whose categories are the classes.",
        ),
    ] = None,
) -> None:
    """Turn a published PointWSSIS checkpoint into a model folder."""
    from ray_wssis.methods.point_wssis import import_checkpoint as published  # imports torch

    model = published.import_checkpoint(file, out, grids, categories)
    typer.echo(f"{published.describe(model)}: every tensor has its place, none is missing")
    typer.echo(out)
