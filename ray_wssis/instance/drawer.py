"""The network that draws the masks of a run: the teacher, or a student that took its place."""

from collections.abc import Iterator
from typing import Any

import yaml
from upath import UPath

from ray_wssis.run import RESOLVED
from ray_wssis.run_config import round_prefix
from ray_wssis.verdict import VERDICT, is_taken


def drawer_of(run: UPath) -> str:
    """Name the stage of the segmenter that drew the `labels` of the run in this folder."""
    drawer = "teacher"
    for prefix in earlier_rounds(run):
        if not is_taken(run / f"{prefix}verdict"):
            break
        drawer = f"{prefix}student"
    return drawer


def is_drawn_here(run: UPath) -> bool:
    """Tell whether networks of the run drew its labels, and no labeller that was trained elsewhere.

    Only then does the expected IoU of its audit hold for what teacher and refiner draw.
    """
    return labeller_of(run) == "point_wssis"


def labeller_of(run: UPath) -> str:
    """Name the labeller of the run."""
    labeller = settings(run).get("labeller") or {}
    return str(labeller.get("name", "point_wssis"))


def settings(run: UPath) -> dict[str, Any]:
    """Read the configuration of the run; empty if it has none."""
    file = run / RESOLVED
    return (yaml.safe_load(file.read_text(encoding="utf-8")) or {}) if file.exists() else {}


def earlier_rounds(run: UPath) -> Iterator[str]:
    """Yield the prefix of each round before the last one that was carried out.

    A folder may hold more of them, from a configuration of more rounds.
    """
    config = settings(run)
    for prefix in map(round_prefix, range(1, config.get("rounds", 1))):
        if not (run / f"{prefix}verdict" / VERDICT).exists():
            return
        yield prefix
