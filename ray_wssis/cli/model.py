"""`wssis import-checkpoint` and `wssis export`: into a model folder, and out of one."""

from typing import Annotated, Literal

import typer


def import_checkpoint(
    file: Annotated[
        str,
        typer.Argument(help="Published SOLOv2 or MaskRefineNet, a path or a URI (.pth, .pt)."),
    ],
    out: Annotated[str, typer.Argument(help="Model folder to write, new or empty.")],
    grids: Annotated[
        Literal["teacher", "student"] | None,
        typer.Option(
            show_default="student",
            help="Grids and scale ranges of a SOLOv2, which its weights do not reveal.",
        ),
    ] = None,
    categories: Annotated[
        str | None,
        typer.Option(
            metavar="COCO.JSON",
            show_default="COCO's for 80 classes, BDD100K's for 8, else numbers",
            help="COCO file with the classes.",
        ),
    ] = None,
) -> None:
    """Convert a published PointWSSIS checkpoint into a model folder."""
    from ray_wssis.methods.point_wssis import import_checkpoint as published  # imports torch

    model = published.import_checkpoint(file, out, grids, categories)
    typer.echo(f"{published.describe(model)}: every tensor was used, none is missing")
    typer.echo(out)


def export(
    model: Annotated[str, typer.Argument(help="Model folder, or a run folder (its student).")],
    format: Annotated[
        Literal["onnx", "torch"],
        typer.Option(help="For ONNX Runtime or torch.export.load."),
    ] = "onnx",
    out: Annotated[
        str | None,
        typer.Option(
            "--out",
            "-o",
            show_default="segmenter.onnx or segmenter.pt2, semantic.onnx or semantic.pt2",
            help="File to write, .onnx or .pt2.",
        ),
    ] = None,
    height: Annotated[
        int | None,
        typer.Option(
            min=1, show_default="square, or free", help="Height of your images, in pixels."
        ),
    ] = None,
    width: Annotated[
        int | None,
        typer.Option(
            min=1, show_default="square, or free", help="Width of your images, in pixels."
        ),
    ] = None,
) -> None:
    """Write a segmenter to one file that runs without this package."""
    from ray_wssis.models.export_file import SUFFIXES, checked_target  # imports torch
    from ray_wssis.models.model_folder import DESCRIPTION, find_model
    from ray_wssis.storage import locate, read_json

    if out is not None:
        checked_target(out, format)  # a mistake there is said before anything is read
    folder = find_model(locate(model))
    kind = read_json(folder / DESCRIPTION).get("kind")
    file = out or f"{kind}{SUFFIXES[format]}"
    match kind:
        case "semantic":
            from ray_wssis.semantic.export import export as write
        case _:
            from ray_wssis.instance.export import export as write
    typer.echo(write(folder, file, format, height=height, width=width))
