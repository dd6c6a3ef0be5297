"""`wssis doctor`: what is wrong with this machine, its storage and its cluster, and what to do."""

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ray_wssis.doctor import cluster, machine, places, software
from ray_wssis.doctor.finding import Finding, State
from ray_wssis.storage import locate

STYLES = {State.OK: "green", State.WARNING: "yellow", State.PROBLEM: "red"}


def doctor(
    out: Annotated[
        str | None,
        typer.Option("--out", "-o", help="Folder for runs, a path or a URI: can it be written?"),
    ] = None,
    address: Annotated[
        str | None,
        typer.Option(
            envvar="RAY_ADDRESS",
            show_default="none: a Ray of its own",
            help="Of the cluster, as HOST:PORT or auto.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Look at versions, devices, memory, storage and Ray; exit 1 when something will not work."""
    findings = list(examine(out, address or None))
    if as_json:
        typer.echo(json.dumps([asdict(each) for each in findings], indent=2))
    else:
        show(findings)
    if any(each.state is State.PROBLEM for each in findings):
        raise typer.Exit(1)


def examine(out: str | None, address: str | None) -> Iterator[Finding]:
    """Everything, in the order in which a person should mend it."""
    yield from software.findings()
    yield from machine.findings()
    of_folder = [] if out is None else list(places.check_folder(locate(out)))
    yield from of_folder
    is_writable = all(each.state is not State.PROBLEM for each in of_folder)
    attached = address not in (None, "local")
    yield cluster.check_token(os.environ, Path.home(), attached)
    yield from cluster.check_ports(attached)
    yield from cluster.check_address(address, out if is_writable else None)


def show(findings: Sequence[Finding]) -> None:
    """A line for each, and below it what to do."""
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    for each in findings:
        table.add_row(Text(each.state.value, STYLES[each.state]), each.about, Text(each.found))
        if each.to_do:
            table.add_row("", "", Text(f"-> {each.to_do}", "bold"))
    console = Console()
    console.print(table)
    num = {state: sum(each.state is state for each in findings) for state in State}
    console.print(f"problems: {num[State.PROBLEM]}, warnings: {num[State.WARNING]}")
