"""Table of results that a command prints when labelling is done."""

from typing import Any

from rich.console import Console
from rich.table import Table
from upath import UPath

from ray_wssis.storage import read_json


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
