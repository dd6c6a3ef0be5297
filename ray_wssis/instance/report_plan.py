"""Section of the page about the plan of a run: the data set in numbers, and the settings."""

from upath import UPath

from ray_wssis.report.page import Section
from ray_wssis.report.run_folder import read_json
from ray_wssis.report.template import render

HERE = "ray_wssis.instance"
PLAN = "plan.json"  # in the folder of the run


def plan_section(folder: UPath) -> Section | None:
    """Build the section; None for a run that had a configuration from the start."""
    plan = read_json(folder / PLAN)
    if not plan:
        return None
    html = render("plan", HERE, **plan)
    return Section(anchor="plan", title="Plan", html=html)
