"""Results that a command prints when labelling or a whole run is done."""

import logging
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from upath import UPath

from ray_wssis.cli.semantic_tables import miou_table, models_of
from ray_wssis.logs import wants_json
from ray_wssis.storage import read_json

MOST_CLASSES = 12  # in the table of a run
ROLES = ("teacher", "student", "upper_bound")

logger = logging.getLogger(__name__)


def print_closing_table(labels: UPath, mean_expected_iou: float | None) -> None:
    """Print the figures of a folder of labels: how many, how good, how fast."""
    summary = read_json(labels / "summary.json")
    table = Table(title="labels", show_header=False)
    table.add_column(style="bold")
    table.add_column(justify="right")
    for name, value in counts(summary, mean_expected_iou):
        table.add_row(name, value)
    table.add_section()
    for name, num in summary["num_masks_per_class"].items():
        table.add_row(f"masks of class {name}", f"{num}")
    file = labels / "throughput.json"
    if file.exists():
        table.add_section()
        for name, value in speed(read_json(file)):
            table.add_row(name, value)
    Console().print(table)


def counts(summary: dict[str, Any], mean_expected_iou: float | None) -> list[tuple[str, str]]:
    missing, points = summary["num_points_without_mask"], summary["num_points"]
    rows = [
        ("images", f"{summary['num_images']}"),
        ("failed images", f"{summary['num_failed_images']}"),
        ("rejected points", f"{summary['num_rejected_points']}"),
        ("points", f"{points}"),
        ("masks", f"{points - missing}"),
        ("points without a mask", f"{missing}"),
    ]
    if mean_expected_iou is not None:
        rows.append(("mean expected IoU", f"{mean_expected_iou:.3f}"))
    return rows


def speed(throughput: dict[str, Any]) -> list[tuple[str, str]]:
    busy = throughput["busy_seconds"]
    total = sum(busy.values()) or 1
    shares = ", ".join(f"{step} {100 * seconds / total:.0f} %" for step, seconds in busy.items())
    return [
        ("images in this run", f"{throughput['num_images']}"),
        ("images per second", f"{throughput['images_per_second']:.1f}"),
        ("time per step, all processes", shares),
        ("bottleneck", throughput["bottleneck"]),
    ]


def print_results(run: UPath) -> None:
    """Print the accuracy of the models that a run has measured, and log what to do next."""
    from ray_wssis.instance.advice import advise

    figures = read_json(run / "metrics.json") if (run / "metrics.json").exists() else {}
    if models := models_of(figures):
        if not wants_json():
            Console(stderr=True).print(miou_table(figures, models))
        return
    roles = [role for role in ROLES if f"{role}/val/AP" in figures]
    if not roles:
        return
    if not wants_json():
        Console(stderr=True).print(precision_table(figures, roles))
    for piece in advise(run):
        logger.info("What to do next: %s %s", piece.seen, piece.do)


def precision_table(figures: dict[str, Any], roles: list[str]) -> Table:
    """Compose the AP of each model, over all classes and by class if there are few."""
    table = Table(title="AP on the validation images")
    for title in ("", "objects", *(role.replace("_", " ") for role in roles)):
        table.add_column(title, justify="right" if title else "left")
    prefix = "val/objects/"
    classes = [name.removeprefix(prefix) for name in figures if name.startswith(prefix)]
    total = str(sum(figures[prefix + name] for name in classes)) if classes else ""
    table.add_row("all classes", total, *(shown(figures[f"{role}/val/AP"]) for role in roles))
    for name in classes if 1 < len(classes) <= MOST_CLASSES else ():
        own = (shown(figures.get(f"{role}/val/AP/{name}")) for role in roles)
        table.add_row(escape(name), str(figures[prefix + name]), *own)
    return table


def shown(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"
