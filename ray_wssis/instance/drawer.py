"""The network that draws the masks of a run: the teacher, or a student that took its place."""

from collections.abc import Iterator

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


def earlier_rounds(run: UPath) -> Iterator[str]:
    """Yield the prefix of each round before the last one that was carried out.

    A folder may hold more of them, from a configuration of more rounds.
    """
    file = run / RESOLVED
    config = yaml.safe_load(file.read_text(encoding="utf-8")) if file.exists() else {}
    for prefix in map(round_prefix, range(1, config.get("rounds", 1))):
        if not (run / f"{prefix}verdict" / VERDICT).exists():
            return
        yield prefix
