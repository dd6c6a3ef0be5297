"""Findings about files of a user, as tables and JSON, and errors without a traceback."""

from collections import Counter, defaultdict
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, NoReturn

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from ray_wssis.data.problem import Problem

MAX_ROWS = {"error": 10, "warning": 10, "info": 3}  # of one kind in the table; --json lists all
COLOURS = {"error": "red", "warning": "yellow", "info": "cyan"}


def report(
    annotations: str | None, images: str | None, problems: "list[Problem]"
) -> dict[str, Any]:
    """Build the JSON of the findings."""
    counts = Counter(problem.severity for problem in problems)
    return {
        "annotations": annotations,
        "images": images,
        "ok": not has_errors(problems),
        "num_errors": counts["error"],
        "num_warnings": counts["warning"],
        "num_infos": counts["info"],
        "problems": [asdict(problem) for problem in problems],
    }


def show(problems: "list[Problem]") -> None:
    """Print the findings as a table, the first few of each kind."""
    by_kind: dict[tuple[str, str], list[Problem]] = defaultdict(list)
    for problem in problems:
        by_kind[problem.severity, problem.kind].append(problem)
    table = Table("", "where", "found", "wanted")
    for (severity, kind), same in by_kind.items():
        colour = COLOURS[severity]
        most = MAX_ROWS[severity]
        for problem in same[:most]:
            texts = (printable(text) for text in (problem.where, problem.found, problem.wanted))
            table.add_row(f"[{colour}]{severity}[/]", *texts)
        if len(same) > most:
            rest = f"... and {len(same) - most} more: {kind} (--json lists all)"
            table.add_row(f"[{colour}]{severity}[/]", rest, "", "")
    if problems:
        console().print(table)
    counts = Counter(problem.severity for problem in problems)
    console().print(
        f"{counts['error']} errors, {counts['warning']} warnings, {counts['info']} infos"
    )


def printable(text: str) -> str:
    """Return text without markup, and with codes for what no terminal can show."""
    return escape(text.encode(errors="backslashreplace").decode())


def has_errors(problems: "list[Problem]") -> bool:
    """Tell whether a problem makes the file unusable."""
    return any(problem.severity == "error" for problem in problems)


def console() -> Console:
    """Create a console that writes to the standard output of this moment."""
    return Console()


def stop(error: ValueError) -> NoReturn:
    """Print what the user can change and exit 1, without a traceback."""
    Console(stderr=True).print(f"[red]error[/] {escape(str(error))}", soft_wrap=True)
    raise typer.Exit(1) from error
