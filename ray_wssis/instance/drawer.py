"""The network that draws the masks of a run: the teacher, or a student that took its place."""

from itertools import count

from upath import UPath

from ray_wssis.run_config import round_prefix
from ray_wssis.storage import read_json

TRIAL = "trial.json"  # in the folder of a trial: who drew better masks of the audit images


def drawer_of(run: UPath) -> str:
    """Name the stage of the segmenter that drew the `labels` of the run in this folder."""
    drawer = "teacher"
    for number in count(1):
        prefix = round_prefix(number)
        tried = run / f"{prefix}trial"
        if not (tried / TRIAL).exists() or not student_draws(tried):
            break
        drawer = f"{prefix}student"
    return drawer


def student_draws(tried: UPath) -> bool:
    """Tell whether the student draws the next masks, by the folder of its trial.

    Without audit images nobody knows whose masks are better, and it does.
    """
    figures = read_json(tried / TRIAL)
    teacher, student = figures["teacher_mIoU"], figures["student_mIoU"]
    return teacher is None or student is None or student > teacher
