"""`wssis annotate`: masks for more points, by a run that is trained."""

from typing import Annotated

import typer

from ray_wssis.cli.closing_table import print_closing_table
from ray_wssis.config import load_config
from ray_wssis.logs import begin
from ray_wssis.session import configure, lasting
from ray_wssis.storage import locate, read_json


def annotate(
    run: Annotated[str, typer.Argument(help="Folder of a trained run, a path or a URI.")],
    points: Annotated[
        str, typer.Argument(help="COCO file with points, of the classes that the run knows.")
    ],
    images: Annotated[str, typer.Option(help="Folder of the pictures, a path or a URI.")],
    out: Annotated[
        str, typer.Option("--out", "-o", help="Folder for labels.json, a path or a URI.")
    ],
    overrides: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="A.B=C",
            help="Change one value of labelling_workers; may be given many times.",
        ),
    ] = None,
    redo: Annotated[
        bool, typer.Option("--redo", help="Make again what was made from something else.")
    ] = False,
    max_failures: Annotated[
        int | None, typer.Option(min=0, help="Stop when more images than this failed.")
    ] = None,
    min_coverage: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Exit 1 when a smaller share of the points gets a mask."),
    ] = None,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Try images again that failed.")
    ] = False,
) -> None:
    """Masks for the points on more images, drawn by a trained run."""
    begin(locate(out))
    configure()
    folder = lasting(out)
    limits = {"max_failures": max_failures, "min_coverage": min_coverage}
    given = [f"labelling.{key}={value}" for key, value in limits.items() if value is not None]
    from ray_wssis.recipes.annotate import LABELS, Annotate, AnnotateConfig  # imports torch

    config = load_config(AnnotateConfig, None, [*(overrides or []), *given])
    made = Annotate(
        run, points, images, folder, config, redo=redo, retry_failed=retry_failed
    ).label()
    typer.echo(made / LABELS)
    print_closing_table(made.folder, read_json(made / "summary.json")["mean_expected_iou"])
