"""Tables about a semantic run: the mIoU of its models, its labels, its audit."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

MOST_CLASSES = 24  # in a table
MEASURE = "/val/mIoU"


def models_of(figures: Mapping[str, Any]) -> list[str]:
    """Name the models whose mIoU is among the figures of a run."""
    return [name.removesuffix(MEASURE) for name in figures if name.endswith(MEASURE)]


def miou_table(figures: Mapping[str, Any], models: Sequence[str]) -> Table:
    """Compose the mIoU of each model, with and without tags, and by class if there are few."""
    table = Table(title="mIoU on the validation images")
    table.add_column("")
    for model in models:
        table.add_column(model.replace("_", " "), justify="right")
    for title, way in (("all classes", ""), ("with tags", "@tags"), ("all views", "@views")):
        if any(f"{model}{MEASURE}{way}" in figures for model in models):
            table.add_row(title, *(shown(figures.get(f"{m}{MEASURE}{way}")) for m in models))
    prefix = f"{models[0]}/val/IoU/"
    classes = [name.removeprefix(prefix) for name in figures if name.startswith(prefix)]
    for name in classes if len(classes) <= MOST_CLASSES else ():
        table.add_row(escape(name), *(shown(figures.get(f"{m}/val/IoU/{name}")) for m in models))
    return table


def labels_table(summary: Mapping[str, Any], audit: Mapping[str, Any]) -> Table:
    """Compose the counts of the drawn class maps, and how good they are expected to be."""
    table = Table(title="labels", show_header=False)
    table.add_column(style="bold")
    table.add_column(justify="right")
    table.add_row("images", f"{summary['num_images']}")
    table.add_row("failed images", f"{summary['num_failed_images']}")
    for flag, number in summary["flags"].items():
        table.add_row(f"images with the flag {flag}", f"{number}")
    if (confidence := summary["mean_confidence"]) is not None:
        table.add_row("mean confidence", f"{confidence:.3f}")
    for name in ("pixel_accuracy", "mIoU"):
        if (expected := audit[name]["expected_mean"]) is not None:
            table.add_row(f"expected {name.replace('_', ' ')}", f"{expected:.3f}")
    table.add_section()
    for name, share in summary["share_of_pixels"].items():
        table.add_row(f"pixels of class {escape(name)}", f"{100 * share:.1f} %")
    return table


def show_semantic_audit(console: Console, audit: Mapping[str, Any], review: str) -> None:
    """Print how far the class maps of a run can be trusted, and where the worst are listed."""
    number = audit["num_audit_images"]
    if not number:
        console.print("There were no audit images (data.audit), so nothing is expected of any map.")
    for name in ("pixel_accuracy", "mIoU") if number else ():
        told = audit[name]
        error = "" if told["mean_error"] is None else f", off by {100 * told['mean_error']:.1f}"
        console.print(
            f"{name.replace('_', ' ')}: [bold]{100 * told['audit_mean']:.1f} %[/] on {number} "
            f"audit images; expected of the weak ones: {percent(told['expected_mean'])}{error}"
        )
    console.print(f"The worst class maps: {escape(review)}", soft_wrap=True)


def percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f} %"


def shown(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"
