"""Section of the page about rounds in which a student labels for the next one."""

from upath import UPath

from ray_wssis.report.page import Section
from ray_wssis.report.run_folder import RunFolder, read_json
from ray_wssis.report.template import render
from ray_wssis.run_config import round_prefix
from ray_wssis.verdict import VERDICT


def rounds_section(folder: UPath) -> list[Section]:
    """Tell what each round of the run in `folder` did; nothing if there was one alone."""
    run = RunFolder.read(folder)
    rounds = [
        {
            "number": number,
            "miou": run.figure(f"{round_prefix(number)}student/val/mIoU"),
            "verdict": read_json(folder / f"{round_prefix(number)}verdict" / VERDICT),
        }
        for number in range(1, 10)
        if f"{round_prefix(number)}verdict" in run.stages
    ]
    if not rounds:
        return []
    last = run.figure("student/val/mIoU")
    html = render("rounds", "ray_wssis.semantic", rounds=rounds, last=last)
    return [Section(anchor="rounds", title="Rounds", html=html)]
