"""Section of the page about rounds: what each of them added."""

from typing import Any

from ray_wssis.instance.drawer import earlier_rounds
from ray_wssis.instance.label_row import ROUGH
from ray_wssis.report.page import Section
from ray_wssis.report.run_folder import RunFolder, read_json
from ray_wssis.report.template import render
from ray_wssis.verdict import is_taken

HERE = "ray_wssis.instance"
STAGES = (  # of a round
    *("labels", "audit", "proposals", "proposals_audit"),
    *("merged", "student", "verdict"),
)


def rounds_section(run: RunFolder) -> Section | None:
    """Build the section; None for a run of one round."""
    earlier = list(earlier_rounds(run.folder))
    if not earlier:
        return None
    drawers = ["teacher"]
    for number, prefix in enumerate(earlier, start=1):
        goes_on = is_taken(run.folder / f"{prefix}verdict")
        drawers.append(f"student of round {number}" if goes_on else drawers[-1])
    rows = [
        round_row(run, prefix) | {"number": number, "drawer": drawer}
        for number, (prefix, drawer) in enumerate(zip([*earlier, ""], drawers, strict=True), 1)
    ]
    knows_truth = any(row["true"] is not None for row in rows)
    html = render("rounds", HERE, rows=rows, knows_truth=knows_truth)
    return Section(anchor="rounds", title="Rounds", html=html)


def round_row(run: RunFolder, prefix: str) -> dict[str, Any]:
    """Figures of the round whose stages have this prefix."""
    judged = read_json(run.folder / f"{prefix}audit/audit.json")
    masks = judged.get("masks")
    audited = judged.get("audit", {})
    made = [run.stages[name] for name in (prefix + stage for stage in STAGES) if name in run.stages]
    return {
        "audited": audited.get("rough_mIoU" if masks == ROUGH else "mIoU"),
        "expected": judged.get("weak", {}).get("mean_expected_iou"),
        "poor": judged.get("weak", {}).get("share_below_threshold"),
        "true": run.figure(f"{prefix}pseudo/{masks}/mIoU"),
        "AP": run.figure(f"{prefix}student/val/AP"),
        "seconds": sum(stage.seconds for stage in made),
    }
