"""The page about a run: one HTML file that needs no other.

The frame and the section about the run itself are here.  Every other section comes from those who
know what the run is about.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup
from upath import UPath

from ray_wssis.artifacts import code_version
from ray_wssis.report.run_folder import REPORT, RunFolder
from ray_wssis.report.template import render
from ray_wssis.storage import write_atomically

PAGE = "index.html"
NOTHING = Markup("")
MOST_FAILED = 50  # failures of a stage that are listed one by one


@dataclass(frozen=True, kw_only=True)
class Section:
    """A part of the page."""

    anchor: str  # id of the section, unique on the page
    title: str  # in the navigation
    html: Markup  # with a heading of its own
    headline: Markup = NOTHING  # for the top of the page
    style: str = ""  # CSS beyond that of the frame; sections may share one


def write_page(run: UPath, folder: UPath, sections: Sequence[Section]) -> None:
    """Write `folder/index.html` about the run folder `run`: `sections`, then the run itself."""
    facts = RunFolder.read(run)
    version = code_version()
    page = render(
        "page",
        name=facts.name,
        headline=Markup("").join(section.headline for section in sections),
        sections=[*sections, run_section(facts, version)],
        styles=dict.fromkeys(section.style for section in sections),
        code_version=version,
    )
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / PAGE, page.encode())


def run_section(run: RunFolder, version: str) -> Section:
    """Time, failures, configuration and lineage, which every run has."""
    html = render(
        "run", run=run, rows=stage_rows(run), most_failed=MOST_FAILED, code_version=version
    )
    return Section(anchor="run", title="The run", html=html)


def stage_rows(run: RunFolder) -> list[dict[str, Any]]:
    """Stages of the run but the page itself, each with a bar relative to the longest one."""
    stages = [stage for stage in run.stages.values() if stage.name != REPORT]
    longest = max((stage.seconds for stage in stages), default=0) or 1
    return [{"stage": stage, "bar": 100 * stage.seconds / longest} for stage in stages]
