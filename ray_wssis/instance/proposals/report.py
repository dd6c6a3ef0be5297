"""Section of the page about images without any label: what was proposed there, and is learnt."""

from ray_wssis.instance.proposals.stages import FIGURES
from ray_wssis.report.page import Section
from ray_wssis.report.run_folder import RunFolder, read_json
from ray_wssis.report.template import render

HIDDEN = ("precision", "recall", "missed", "mIoU")  # figures against hidden masks


def proposals_section(run: RunFolder) -> Section | None:
    """Build the section; None for a run without such images."""
    chosen = read_json(run.folder / "proposals_audit" / FIGURES)
    if not chosen:
        return None
    hidden = {name: run.figure(f"proposed/{name}") for name in HIDDEN}
    keys = ("num_proposed", "num_learnt", "num_ignored")
    html = render(
        "proposals",
        "ray_wssis.instance",
        chosen=chosen,
        total={key: sum(row[key] for row in chosen["classes"]) for key in keys},
        hidden=hidden if any(value is not None for value in hidden.values()) else None,
    )
    return Section(anchor="proposals", title="Proposals", html=html)
