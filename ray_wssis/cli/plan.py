"""`wssis plan`: settings chosen from a data set, each with its reason."""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ray_wssis.cli.options import Overrides
from ray_wssis.cli.planned import MINUTES, Minutes
from ray_wssis.logs import begin
from ray_wssis.session import configure, is_lent
from ray_wssis.storage import locate, write_atomically

if TYPE_CHECKING:
    from ray_wssis.recipes.plan.plan import Plan

SHOWN = {  # decisions that people look at first, by path
    "network size": "teacher.model.shorter",
    "scale ranges": "teacher.model.scale_ranges",
    "grids": "teacher.model.network.grids",
    "backbone": "teacher.model.network.backbone.name",
    "turn": "teacher.augment.turn",
    "batch": "teacher.training.batch_size",
    "teacher's steps": "teacher.training.steps",
    "refiner's steps": "refiner.training.steps",
    "student's steps": "student.training.steps",
    "audit": "data.audit",
}


def plan_command(
    overrides: Overrides = None,
    minutes: Minutes = None,
    out: Annotated[
        str, typer.Option("--out", "-o", help="YAML file to write, a path or a URI.")
    ] = "mine.yaml",
) -> None:
    """Choose every setting from the data, and write a configuration that says why."""
    begin(None)
    configure()
    file = locate(out)
    if file.exists():
        raise ValueError(
            f"{file} exists, and somebody may have changed it; remove it or give another --out"
        )
    from ray_wssis.recipes.plan.machine import this_machine  # imports torch
    from ray_wssis.recipes.plan.plan import make_plan

    with tempfile.TemporaryDirectory(prefix="wssis-plan-") as folder:
        made = make_plan(
            overrides or [],
            minutes or MINUTES,
            locate(folder),
            this_machine(),
            timed=not is_lent(),  # other nodes cannot read a folder of this one
        )
    file.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(file, made.to_yaml().encode())
    show(made)
    typer.echo(Path(out) if "://" not in out else out)


def show(made: "Plan") -> None:
    """Print the fingerprint, the main decisions and the warnings."""
    from ray_wssis.recipes.plan.decision import leaves
    from ray_wssis.recipes.plan.yaml_text import flow

    console = Console()
    table = Table(title="the data", show_header=False)
    for what, value in made.found.rows():
        table.add_row(escape(what), escape(value))
    table.add_section()
    for what, value in made.lost_rows():
        table.add_row(escape(what), escape(value))
    console.print(table)
    chosen = dict(leaves(made.tree))
    table = Table("", "chosen", "why", title=f"the plan, for {made.machine.name}")
    for what, path in SHOWN.items():
        if path in chosen:
            table.add_row(what, escape(flow(chosen[path].value)), escape(chosen[path].why))
    console.print(table)
    for warning in made.to_json()["warnings"]:
        console.print(f"[yellow]warning[/] {escape(warning)}", soft_wrap=True)
    if made.minutes is not None:
        console.print(f"The run will take about {made.minutes:.0f} min.")
    else:
        console.print("No step was timed, so the numbers of steps are guesses.")
