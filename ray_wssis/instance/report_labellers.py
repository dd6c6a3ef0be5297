"""Section of the page about labellers that `wssis compare` put side by side."""

from typing import Any

from upath import UPath

from ray_wssis.report.page import Section
from ray_wssis.report.run_folder import RunFolder, read_json
from ray_wssis.report.template import render
from ray_wssis.storage import hash_file

HERE = "ray_wssis.instance"
RESULT = "compare/compare.json"  # in the folder of a run


def compared(folder: UPath) -> dict[str, Any]:
    """Return the entry of a report's `made_from` for a comparison, if there is one."""
    file = folder / RESULT
    return {"compare": hash_file(file)} if file.exists() else {}


def labellers_section(run: RunFolder) -> Section | None:
    """Build the section; None if nothing was compared."""
    if not (result := read_json(run.folder / RESULT)):
        return None
    saw = any(entry["saw"] for entry in result["labellers"])
    html = render("labellers", HERE, result=result, saw=saw)
    return Section(anchor="labellers", title="Labellers", html=html)


def better_zero_shot(folder: UPath) -> dict[str, Any] | None:
    """Return the entry of the zero-shot labeller that surely draws better masks than the one that
    the run trained; None if there is none."""
    entries = read_json(folder / RESULT).get("labellers", [])
    if not any(entry["role"] == "own" and entry["name"] == "point_wssis" for entry in entries):
        return None
    better = [entry for entry in entries if entry["role"] == "zero-shot" and is_better(entry)]
    return max(better, key=lambda entry: entry["mIoU"], default=None)


def is_better(entry: dict[str, Any]) -> bool:
    return entry["low"] is not None and entry["low"] > 0
