"""Section of the page about single classes: their average precision, and their confusion."""

from collections import Counter
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any

from ray_wssis.report.page import Section
from ray_wssis.report.run_folder import RunFolder, read_json
from ray_wssis.report.template import render

HERE = "ray_wssis.instance"
COLORS = {"teacher": "orange", "student": "blue", "upper_bound": "gray"}  # of segmenters, by role
OPEN_CLASSES = 12  # the worst ones, that are shown unasked
MATRIX_CLASSES = 10  # at most: more are a list of pairs
MOST_PAIRS = 10  # in a list

Models = Mapping[str, str]  # the stage that made the model of a role
Counts = Mapping[tuple[str | None, str | None], int]  # by true class and class it was taken for


def classes_section(run: RunFolder, models: Models, names: Sequence[str]) -> Section | None:
    """Build the section; None without any figure of a class."""
    roles = measured_roles(run, models, names)
    score, counts = read_confusion(run, models)
    if not counts and (not roles or len(names) == 1):
        return None
    html = render(
        "classes",
        HERE,
        roles=[{"name": spoken(role), "color": COLORS[role]} for role in roles],
        rows=precision_rows(run, models, roles, names),
        num_open=OPEN_CLASSES,
        absent=[name for name in names if run.figure(f"val/objects/{name}") == 0],
        score=score,
        names=names,
        matrix=matrix(counts, names) if len(names) <= MATRIX_CLASSES else None,
        lists=lists(counts),
    )
    style = (resources.files(HERE) / "templates/classes.css").read_text(encoding="utf-8")
    title = "Classes" if len(names) > 1 else "Objects"
    return Section(anchor="classes", title=title, html=html, style=style)


def spoken(role: str) -> str:
    return role.replace("_", " ")


def measured_roles(run: RunFolder, models: Models, names: Sequence[str]) -> list[str]:
    """Choose the roles whose model has a figure of any class."""
    return [
        role
        for role in COLORS
        if any(f"{models.get(role)}/val/AP/{name}" in run.figures for name in names)
    ]


def precision_rows(
    run: RunFolder, models: Models, roles: Sequence[str], names: Sequence[str]
) -> list[dict[str, Any]]:
    """One row per class that has objects, the student's worst class first."""
    rows = [
        {
            "name": name,
            "num_objects": objects,
            "figures": {
                column: [run.figure(f"{models[role]}/val/{column}/{name}") for role in roles]
                for column in ("AP", "AP50")
            },
        }
        for name in names
        if (objects := run.figure(f"val/objects/{name}"))
    ]
    decisive = roles.index("student") if "student" in roles else 0
    return sorted(rows, key=lambda row: row["figures"]["AP"][decisive] or 0.0)


def read_confusion(run: RunFolder, models: Models) -> tuple[float | None, Counts]:
    """Read the student's confusion and the score from which on its instances count; without a
    student the teacher's, and no counts where nothing was measured."""
    measured = read_json(run.folder / "evaluation/confusion.json")
    for role in ("student", "teacher"):
        if found := measured.get(models.get(role, "")):
            counts = {(line["true"], line["found"]): line["count"] for line in found["counts"]}
            return found["score"], counts
    return None, {}


def num_true(counts: Counts) -> Counter[str]:
    """Count the objects of each class."""
    numbers: Counter[str] = Counter()
    for (true, _), count in counts.items():
        if true is not None:
            numbers[true] += count
    return numbers


def matrix(counts: Counts, names: Sequence[str]) -> list[dict[str, Any]]:
    """One row per class of objects and one of what was invented; cells are the classes taken for,
    then what was missed."""
    totals = num_true(counts)
    rows = []
    for true in [*(name for name in names if totals[name] or len(names) == 1), None]:
        total = sum(count for (own, _), count in counts.items() if own == true)
        cells = [
            {
                "count": counts.get((true, found), 0),
                "share": 100 * counts.get((true, found), 0) / total if total else 0.0,
                "kind": kind_of(true, found),
            }
            for found in [*names, None]
        ]
        rows.append({"name": true, "total": total, "cells": cells})
    return rows


def kind_of(true: str | None, found: str | None) -> str:
    """Name the style of a cell."""
    if true is None or found is None:
        return "nothing" if true is found else "lost"
    return "right" if true == found else "wrong"


def lists(counts: Counts) -> dict[str, list[dict[str, Any]]]:
    """List the pairs of classes that were confused most often, and the classes that were missed
    and invented most often, each with the number that it is a part of."""
    totals = num_true(counts)
    claimed: Counter[str] = Counter()
    for (_, found), count in counts.items():
        if found is not None:
            claimed[found] += count
    parts: dict[str, list[dict[str, Any]]] = {"confused": [], "missed": [], "invented": []}
    for (true, found), count in sorted(counts.items(), key=lambda pair: -pair[1]):
        if true == found:
            continue
        kind = "invented" if true is None else "missed" if found is None else "confused"
        of = claimed[str(found)] if true is None else totals[true]
        parts[kind].append({"true": true, "found": found, "count": count, "of": of})
    return {kind: lines[:MOST_PAIRS] for kind, lines in parts.items()}
