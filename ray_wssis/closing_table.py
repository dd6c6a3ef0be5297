"""What labelling came to, in one table at its end."""

from typing import Any

from rich.console import Console
from rich.table import Table
from upath import UPath

from ray_wssis.storage import read_json


def print_closing_table(run: UPath) -> None:
    """The figures of the labels in a run folder: how many, how good, how fast."""
    summary, audit = read_json(run / "labels/summary.json"), read_json(run / "audit/audit.json")
    table = Table(title="labels", show_header=False)
    table.add_column(style="bold")
    table.add_column(justify="right")
    for name, value in counts(summary, audit):
        table.add_row(name, value)
    table.add_section()
    for name, num in summary["num_masks_per_class"].items():
        table.add_row(f"masks of {name}", f"{num}")
    file = run / "labels/throughput.json"
    if file.exists():
        table.add_section()
        for name, value in speed(read_json(file)):
            table.add_row(name, value)
    Console().print(table)


def counts(summary: dict[str, Any], audit: dict[str, Any]) -> list[tuple[str, str]]:
    missing, points = summary["num_points_without_mask"], summary["num_points"]
    rows = [
        ("images", f"{summary['num_images']}"),
        ("failed images", f"{summary['num_failed_images']}"),
        ("rejected points", f"{summary['num_rejected_points']}"),
        ("points", f"{points}"),
        ("masks", f"{points - missing}"),
        ("empty: points without a mask", f"{missing}"),
    ]
    expected = audit["weak"]["mean_expected_iou"]
    if expected is not None:
        rows.append(("mean expected IoU", f"{expected:.3f}"))
    return rows


def speed(throughput: dict[str, Any]) -> list[tuple[str, str]]:
    busy = throughput["busy_seconds"]
    total = sum(busy.values()) or 1
    shares = ", ".join(f"{step} {100 * seconds / total:.0f} %" for step, seconds in busy.items())
    return [
        ("images this time", f"{throughput['num_images']}"),
        ("images per second", f"{throughput['images_per_second']:.1f}"),
        ("time of all processes", shares),
        ("bottleneck", throughput["bottleneck"]),
    ]
