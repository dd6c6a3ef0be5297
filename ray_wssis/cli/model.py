"""`wssis import-checkpoint` and `wssis export`: what is done with a model folder."""

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


def export(
    model: Annotated[str, typer.Argument(help="Model folder, or a run whose student is meant.")],
    format: Annotated[
        Literal["onnx", "torch"], typer.Option(help="For onnxruntime, or for torch.export.load.")
    ] = "onnx",
    out: Annotated[
        str | None,
        typer.Option(
            "--out",
            "-o",
            show_default="segmenter.onnx or segmenter.pt2",
            help="File to write, .onnx or .pt2.",
        ),
    ] = None,
    height: Annotated[
        int | None, typer.Option(min=1, show_default="square", help="Of your pictures, pixels.")
    ] = None,
    width: Annotated[
        int | None, typer.Option(min=1, show_default="square", help="Of your pictures, pixels.")
    ] = None,
) -> None:
    """Write a segmenter as one file that runs without this package."""
    from ray_wssis.instance import export as exporting  # imports torch

    file = out or f"segmenter{exporting.SUFFIXES[format]}"
    typer.echo(exporting.export(model, file, format, height=height, width=width))
