"""`wssis audit`: the quality of the pseudo masks of a finished run."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ray_wssis.artifacts import StaleArtifact, read_artifact
from ray_wssis.cli.semantic_tables import show_semantic_audit
from ray_wssis.storage import locate, read_json

DASH = "–"
COLUMNS = {"objects": "num_objects", "mIoU %": "mIoU", "below 0.5 %": "share_below_half"}


def audit_command(
    run: Annotated[str, typer.Argument(help="Folder of a run, or of an audit in it.")],
) -> None:
    """Show how far the pseudo masks of a run can be trusted, and where the worst are listed."""
    try:
        place = locate(run)
        made = read_artifact(place if (place / "audit.json").exists() else place / "audit")
    except StaleArtifact:
        raise
    except ValueError as error:
        raise ValueError(
            f"{run} has no finished audit, which follows the labels; "
            f"`wssis label --out {run}` makes both"
        ) from error
    figures = read_json(made / "audit.json")
    console = Console()
    if "num_audit_images" in figures:
        show_semantic_audit(console, figures, str(made / "review.json"))
        return
    show_audit(console, figures["audit"], figures["reliability"])
    show_weak(console, figures["weak"])
    console.print(f"The worst masks: {escape(str(made / 'review.html'))}", soft_wrap=True)


def show_audit(
    console: Console, audit: Mapping[str, Any], reliability: Mapping[str, Any] | None
) -> None:
    """Print the figures of masks whose truth is known."""
    if not audit["num_objects"]:
        console.print("There were no audit images (data.audit), so no mask has an expected IoU.")
        return
    console.print(
        f"{audit['num_objects']} objects on {audit['num_images']} audit images: "
        f"mIoU [bold]{show(audit['mIoU'])} %[/] (rough masks {show(audit['rough_mIoU'])} %), "
        f"{show(audit['share_below_half'])} % below 0.5, "
        f"{audit['num_without_mask']} without a mask"
    )
    table = Table("", *COLUMNS)
    for title in ("by_class", "by_size"):
        for row in audit[title]:
            table.add_row(escape(row["name"]), *(show(row[key]) for key in COLUMNS.values()))
        table.add_section()
    console.print(table)
    if reliability is None:
        console.print(
            "Expected calibration error: unknown; it needs masks of at least two audit images."
        )
        return
    console.print(
        "Expected calibration error "
        f"[bold]{show(reliability['expected_calibration_error'], 3)}[/] "
        f"(about {show(reliability['by_chance'], 3)} by chance alone)"
    )
    console.print(reliability_table(reliability["bins"]))


def reliability_table(bins: Sequence[Mapping[str, Any]]) -> Table:
    table = Table("objects", "expected IoU", "true IoU", "gap")
    for group in bins:
        gap = round(group["true"] - group["expected"], 2) + 0.0  # no -0.00
        table.add_row(
            show(group["count"]), show(group["expected"], 2), show(group["true"], 2), f"{gap:+.2f}"
        )
    return table


def show_weak(console: Console, weak: Mapping[str, Any]) -> None:
    """Print the figures of masks whose truth nobody knows."""
    num_masks = weak["num_points"] - weak["num_without_mask"]
    doubt = surely = ""
    if weak.get("mean_expected_iou_doubt") is not None:  # older runs lack it
        doubt = f" ± {show(weak['mean_expected_iou_doubt'], 2)}"
        surely = f" ({show(weak['share_surely_below'])} % surely)"
    console.print(
        f"{num_masks} masks for {weak['num_points']} points on {weak['num_images']} weak "
        f"images: mean expected IoU [bold]{show(weak['mean_expected_iou'], 2)}[/]{doubt}, "
        f"{show(weak['share_below_threshold'])} % below {weak['threshold']:g}{surely}"
    )
    flags = ", ".join(f"{name} {count}" for name, count in weak["flags"].items())
    console.print(f"Flags: {escape(flags) or 'none'}")
    drift = f"Class drift {show(weak['class_drift'], 2)}"
    if weak["class_drift_flag"]:
        drift = f"[red]{drift}: the trusted masks are of other classes than the points[/]"
    console.print(
        f"{drift} (from true objects to points: {show(weak['class_drift_from_strong'], 2)})"
    )


def show(value: float | None, digits: int = 1) -> str:
    """Format a number for people: counts are whole, a missing number is a dash."""
    if value is None:
        return DASH
    return str(value) if isinstance(value, int) else f"{value:.{digits}f}"
