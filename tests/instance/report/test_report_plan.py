from pathlib import Path

from upath import UPath

from ray_wssis.instance.report_plan import PLAN, plan_section
from ray_wssis.storage import write_json


def test_a_plan_is_shown_with_its_reasons(tmp_path: Path) -> None:
    plan = {
        "machine": "2 CPUs",
        "asked": 30.0,
        "data": [("masks, points", "343, 1420")],
        "lost": [("below 2 network pixels", "1 of 343 masks")],
        "warnings": ["too little time"],
        "decisions": [("teacher.model.shorter", "128", "about as the images are")],
    }
    write_json(UPath(tmp_path / PLAN), plan)
    section = plan_section(UPath(tmp_path))
    assert section is not None
    for words in ("2 CPUs and 30 minutes", "343, 1420", "1 of 343 masks", "about as the images"):
        assert words in section.html


def test_a_run_without_a_plan_has_no_such_section(tmp_path: Path) -> None:
    assert plan_section(UPath(tmp_path)) is None
