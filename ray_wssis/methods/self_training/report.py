"""The section of the page about rounds: what each added, and which classes its labels had."""

from typing import Any

from upath import UPath

from ray_wssis.methods.self_training.keep import FIGURES as KEPT
from ray_wssis.report.page import Section
from ray_wssis.report.run_folder import RunFolder, read_json
from ray_wssis.report.template import render
from ray_wssis.run_config import round_prefix
from ray_wssis.semantic.audit import FIGURES as AUDITED
from ray_wssis.verdict import VERDICT

HERE = "ray_wssis.methods.self_training"


def rounds_section(folder: UPath, prefixes: tuple[str, ...], rounds: int) -> Section:
    """Tell what each round of the run in `folder` did, by what its stages wrote."""
    run = RunFolder.read(folder)
    names = [
        round_prefix(number) + prefix for number in range(1, rounds + 1) for prefix in prefixes
    ]
    told = [tell(run, name) for name in names if f"{name}verdict" in run.stages]
    teachers = [
        (f"{prefix}teacher", run.figure(f"{prefix}teacher/val/mIoU")) for prefix in prefixes
    ]
    html = render("rounds", HERE, teachers=teachers, rounds=told)
    return Section(anchor="rounds", title="Rounds", html=html)


def tell(run: RunFolder, name: str) -> dict[str, Any]:
    """Gather the figures of one round of one network; shares are of 1, IoUs in percent."""
    audit = read_json(run.folder / f"{name}audit" / AUDITED)
    return {
        "name": name.strip("_").replace("_", " "),
        "miou": run.figure(f"{name}student/val/mIoU"),
        "expected": audit["pixel_accuracy"]["expected_mean"],
        "kept": read_json(run.folder / f"{name}merged" / KEPT),
        "verdict": read_json(run.folder / f"{name}verdict" / VERDICT),
    }
