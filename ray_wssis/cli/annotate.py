"""`wssis annotate`: masks for points on more images, by a trained run."""

from typing import Annotated

import typer

from ray_wssis.cli.closing_table import print_closing_table
from ray_wssis.cli.options import MaxFailures, MinCoverage, RetryFailed, WorkerOverrides
from ray_wssis.config import load_config
from ray_wssis.logs import begin
from ray_wssis.session import configure, lasting
from ray_wssis.storage import locate, read_json


def annotate(
    run: Annotated[str, typer.Argument(help="Folder of a trained run, a path or a URI.")],
    points: Annotated[
        str, typer.Argument(help="COCO file with points of the classes that the run knows.")
    ],
    images: Annotated[str, typer.Option(help="Folder of the images, a path or a URI.")],
    out: Annotated[
        str, typer.Option("--out", "-o", help="Folder to write labels.json to, a path or a URI.")
    ],
    overrides: WorkerOverrides = None,
    redo: Annotated[
        bool, typer.Option("--redo", help="Remake labels that were made from other inputs.")
    ] = False,
    max_failures: MaxFailures = None,
    min_coverage: MinCoverage = None,
    retry_failed: RetryFailed = False,
) -> None:
    """Draw masks for the points on more images with a trained run."""
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
