"""`wssis doctor`: problems of this machine, its storage and its cluster, and how to fix them."""

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
        typer.Option("--out", "-o", help="Folder for runs, a path or a URI, to check."),
    ] = None,
    address: Annotated[
        str | None,
        typer.Option(
            envvar="RAY_ADDRESS",
            show_default="start a local one",
            help="Address of the Ray cluster, HOST:PORT or auto.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Check versions, devices, memory, storage and Ray; exit 1 when something will not work."""
    findings = list(examine(out, address or None))
    if as_json:
        typer.echo(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        show(findings)
    if any(finding.state is State.PROBLEM for finding in findings):
        raise typer.Exit(1)


def examine(out: str | None, address: str | None) -> Iterator[Finding]:
    """Check everything, in the order in which a person should fix it."""
    yield from software.findings()
    yield from machine.findings()
    folder = [] if out is None else list(places.check_folder(locate(out)))
    yield from folder
    is_writable = all(finding.state is not State.PROBLEM for finding in folder)
    attached = address not in (None, "local")
    yield cluster.check_token(os.environ, Path.home(), attached)
    yield from cluster.check_ports(attached)
    yield from cluster.check_address(address, out if is_writable else None)


def show(findings: Sequence[Finding]) -> None:
    """Print a line for each finding, and below it what to do."""
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    for finding in findings:
        state = Text(finding.state.value, STYLES[finding.state])
        table.add_row(state, finding.about, Text(finding.found))
        if finding.to_do:
            table.add_row("", "", Text(f"-> {finding.to_do}", "bold"))
    console = Console()
    console.print(table)
    num = {state: sum(finding.state is state for finding in findings) for state in State}
    console.print(f"problems: {num[State.PROBLEM]}, warnings: {num[State.WARNING]}")
