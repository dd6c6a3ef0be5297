"""The network that draws the masks of a run: the teacher, or a student that took its place."""

from itertools import count

from upath import UPath

from ray_wssis.run_config import round_prefix
from ray_wssis.verdict import VERDICT, is_taken


def drawer_of(run: UPath) -> str:
    """Name the stage of the segmenter that drew the `labels` of the run in this folder."""
    drawer = "teacher"
    for prefix in map(round_prefix, count(1)):
        verdict = run / f"{prefix}verdict"
        if not (verdict / VERDICT).exists() or not is_taken(verdict):
            break
        drawer = f"{prefix}student"
    return drawer
