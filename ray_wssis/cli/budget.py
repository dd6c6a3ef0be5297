"""`wssis budget`: what the next hour of labelling is worth."""

from fractions import Fraction
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ray_wssis.cli.options import Overrides
from ray_wssis.logs import begin
from ray_wssis.one_command import alone_in
from ray_wssis.session import configure, lasting
from ray_wssis.storage import locate, read_json


def budget_command(
    run: Annotated[str, typer.Argument(help="Folder of a run that has labels, a path or a URI.")],
    number: Annotated[
        int, typer.Option("--next", min=0, help="How many images to list for labelling next.")
    ] = 50,
    masks: Annotated[int, typer.Option(min=1, help="How many more masks to judge.")] = 100,
    points: Annotated[int, typer.Option(min=1, help="How many more points to judge.")] = 2000,
    share: Annotated[
        float,
        typer.Option(min=0.01, max=1, help="Length of the trainings, as a share of the run's."),
    ] = 0.33,
    repeats: Annotated[
        int, typer.Option(min=1, max=20, help="Seeds that each training is made with.")
    ] = 1,
    curve: Annotated[
        bool, typer.Option(help="Train on parts of the labels; without, images are listed only.")
    ] = True,
    overrides: Overrides = None,
) -> None:
    """Say what more masks and more points are worth, and which images to label next.

    The run is made again with shorter trainings, on 25, 50 and 100 % of its masks and points.
    """
    begin(locate(run))
    configure()
    folder = lasting(run)
    from ray_wssis.recipes.compare import read_run_config  # imports torch
    from ray_wssis.recipes.labelling_budget.budget import (
        LISTED,
        learning_curve,
        suggest,
        worth,
    )

    config = read_run_config(folder, overrides or [])  # no folder is made for what is no run
    console = Console()
    with alone_in(folder):
        if number:
            listed = suggest(folder, number).folder
            found = read_json(listed / LISTED)["num_images"]
            console.print(
                f"{found} images to draw masks for next: {listed}. On the page: wssis serve {run} "
                f"--queue {listed}",
                soft_wrap=True,
                highlight=False,
            )
        if curve:
            part = Fraction(share).limit_denominator(1000)
            trained = learning_curve(folder, config, part, repeats)
            show_budget(console, worth(folder, trained, part, masks, points))


def show_budget(console: Console, result: dict[str, Any]) -> None:
    """Print the trainings and the verdict."""
    table = Table(
        title="what the student learns from parts of the labels",
        caption=f"trainings took {result['share']:.0%} of the steps of the run",
    )
    for title in ("masks", "points", "seed", "AP"):
        table.add_column(title, justify="right")
    for line in result["trainings"]:
        table.add_row(
            f"{line['masks']:,}", f"{line['points']:,}", str(line["seed"]), f"{line['AP']:.1f}"
        )
    console.print(table)
    console.print(escape(result["verdict"]), soft_wrap=True, highlight=False)
