"""`wssis compare`: the labeller of a run beside others."""

from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ray_wssis.cli.audit import show
from ray_wssis.cli.options import Overrides
from ray_wssis.logs import begin
from ray_wssis.one_command import alone_in
from ray_wssis.session import configure, lasting
from ray_wssis.storage import locate

TITLES = ("mIoU %", "to own, 90 %", "calib.\nerror", "no mask", "seconds")
SAW = "*"  # behind the name of a labeller that learnt from the audit images


def compare_command(
    run: Annotated[str, typer.Argument(help="Folder of a run that has labels, a path or a URI.")],
    labellers: Annotated[
        str | None,
        typer.Option(
            metavar="A,B,...",
            help="teacher, student, walker (colours alone), and sam2:WEIGHTS, sam:WEIGHTS, "
            "sam_hq:WEIGHTS, edgetam:WEIGHTS. The run's own is always there.",
            show_default="teacher,student,walker",
        ),
    ] = None,
    price: Annotated[
        float | None,
        typer.Option(min=0, help="Price of an hour of these machines, to show the cost."),
    ] = None,
    overrides: Overrides = None,
) -> None:
    """Compare labellers on the audit images of a run: quality, calibration, speed and cost."""
    begin(locate(run))
    configure()
    folder = lasting(run)
    from ray_wssis.recipes.compare import compare, read_run_config, usual_names  # torch

    config = read_run_config(folder, overrides or [])  # no folder is made for what is no run

    names = [name.strip() for name in (labellers or "").split(",") if name.strip()]
    names = names or usual_names(folder, config)
    with alone_in(folder):
        result = compare(folder, config, names, price)
    show_comparison(Console(), result)


def show_comparison(console: Console, result: dict[str, Any]) -> None:
    """Print the table, what its marks mean, and the verdict."""
    has_price = result["price"] is not None
    table = Table(
        title=f"labellers on {result['num_images']} audit images",
        caption=f"seconds {'and cost ' if has_price else ''}are of 1,000 images",
    )
    table.add_column(overflow="fold")
    for title in [*TITLES, *(["cost"] if has_price else [])]:
        table.add_column(title, justify="right", no_wrap=True)
    for entry in result["labellers"]:
        table.add_row(*cells(entry, has_price=has_price))
    console.print(table)
    if any(entry["saw"] for entry in result["labellers"]):
        console.print(f"{SAW} learnt from the true masks of these images, which flatters it")
    console.print(escape(result["verdict"]), soft_wrap=True, highlight=False)


def cells(entry: dict[str, Any], *, has_price: bool) -> list[str]:
    """Format the line about a labeller."""
    gain = "" if entry["difference"] is None else f"{entry['difference']:+.1f}"
    if entry["low"] is not None:
        gain += f"\n{entry['low']:+.1f} to {entry['high']:+.1f}"
    return [
        escape(entry["name"]) + SAW * entry["saw"],
        show(entry["mIoU"]),
        gain,
        show(entry["calibration_error"], 3),
        f"{entry['num_without_mask']} / {entry['num_objects']}",
        show(entry["seconds"], 0),
        *([show(entry["cost"], 2)] if has_price else []),
    ]
