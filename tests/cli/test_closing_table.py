"""What a command prints when a run is finished."""

import io
from typing import Any

from rich.console import Console

from ray_wssis.cli.closing_table import precision_table

FIGURES: dict[str, Any] = {
    "teacher/val/AP": 21.84,
    "student/val/AP": 40.16,
    "teacher/val/AP/[b]ant": 20.0,
    "student/val/AP/[b]ant": 41.0,
    "teacher/val/AP/bee": None,
    "student/val/AP/bee": None,
    "val/objects/[b]ant": 12,
    "val/objects/bee": 0,
}


def printed(figures: dict[str, Any]) -> list[list[str]]:
    stream = io.StringIO()
    Console(file=stream, width=100).print(precision_table(figures, ["teacher", "student"]))
    return [line.split() for line in stream.getvalue().replace("│", " ").splitlines()]


def test_each_class_has_a_row_and_an_unknown_figure_stays_empty() -> None:
    rows = printed(FIGURES)
    assert ["all", "classes", "12", "21.8", "40.2"] in rows
    assert ["[b]ant", "12", "20.0", "41.0"] in rows
    assert ["bee", "0"] in rows


def test_of_many_classes_only_the_mean_is_printed() -> None:
    many = FIGURES | {f"val/objects/class{i}": 1 for i in range(20)}
    assert ["all", "classes", "32", "21.8", "40.2"] in printed(many)
    assert not any("bee" in row for row in printed(many))
