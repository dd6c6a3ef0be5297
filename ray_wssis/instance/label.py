"""Masks for the points of the weak images, drawn by any labeller.

The audit images, whose true masks are known and which no network was trained on, take the same
path; how good their masks are tells how good the others are.
"""

from collections import Counter
from typing import Any, Protocol

from upath import UPath

from ray_wssis.artifacts import Artifact, Workspace
from ray_wssis.data.records import Category, Records
from ray_wssis.instance.label_config import LabelLimits
from ray_wssis.instance.split import AUDIT, REJECTED, WEAK
from ray_wssis.run import ROWS, Run, streamed_from
from ray_wssis.storage import read_json, write_json
from ray_wssis.streaming.labeller import Labeller
from ray_wssis.streaming.table import each_row, failed_lines
from ray_wssis.streaming.throughput import Throughput

SUMMARY = "summary.json"
THROUGHPUT = "throughput.json"
FAILED = "failed.jsonl"


class InstanceLabeller(Labeller, Protocol):
    """A labeller whose rows have the columns of `label_row.SCHEMA`."""

    @property
    def signals(self) -> tuple[str, ...]: ...  # columns that tell how good a mask is
    @property
    def lineage(self) -> dict[str, str]: ...  # what draws, in short; every mask carries it


def label(run: Run, data: Artifact, by: InstanceLabeller, limits: LabelLimits) -> Artifact:
    """Label the weak and the audit images: `rows/`, `summary.json` and `failed.jsonl`.

    Raises ValueError if too many images fail or too few points get a mask; finished rows are kept,
    and with other limits the same command continues.
    """
    images = [data.part(AUDIT), data.part(WEAK)]

    def make(stage: Workspace) -> None:
        throughput = run.infer(stage, images, by, limits.max_failures)
        rejected = (data / REJECTED).read_text()
        summarise(stage, throughput, rejected, Records.read(data / WEAK).categories)
        check_coverage(stage, limits)

    made = run.stage(
        "labels",
        "Turn every point into a mask",
        streamed_from(images, by),
        make,
        logs=[ROWS, THROUGHPUT],
        keep=[ROWS],
        reopen=run.retry_failed,
    )
    check_coverage(made, limits)
    return made


def summarise(
    stage: Workspace, throughput: Throughput, rejected: str, categories: tuple[Category, ...]
) -> None:
    """Write the counts, the speed and the failures of rows that are complete.

    `rejected` are the lines about points that cannot be used.
    """
    if throughput.num_images:
        write_json(stage / THROUGHPUT, throughput.figures())
    counts = count_labels(stage / ROWS, categories)
    write_json(stage / SUMMARY, counts | {"num_rejected_points": len(rejected.splitlines())})
    (stage / FAILED).write_text(rejected + failed_lines(stage / ROWS))


def count_labels(rows: UPath, categories: tuple[Category, ...]) -> dict[str, Any]:
    """Count the images, points and masks of the weak images."""
    counts, classes = Counter[str](), Counter[int]()
    for row in each_row(rows, ["label", "refined", "error"], source=UPath(WEAK).stem):
        counts["num_images"] += 1
        counts["num_failed_images"] += row["error"] is not None
        masks = row["refined"] or []
        counts["num_points"] += len(masks)
        counts["num_points_without_mask"] += masks.count(None)
        classes.update(
            label for label, mask in zip(row["label"] or [], masks, strict=True) if mask is not None
        )
    counted = ("num_images", "num_failed_images", "num_points", "num_points_without_mask")
    return {name: counts[name] for name in counted} | {
        "num_masks_per_class": {
            category.name: classes[label] for label, category in enumerate(categories)
        }
    }


def check_coverage(labels: Artifact | Workspace, limits: LabelLimits) -> None:
    """Raise ValueError if no point of the weak images, or too few of them, got a mask."""
    summary = read_json(labels / SUMMARY)
    if not summary["num_images"]:
        return  # nobody pointed at anything: only proposals are learnt
    num_points = summary["num_points"]
    num_masks = num_points - summary["num_points_without_mask"]
    if num_masks == 0:
        raise ValueError(
            f"labels: none of {num_points} points on {summary['num_images']} images got a mask; "
            f"look at {labels / FAILED} and at the teacher's figures"
        )
    if num_masks < limits.min_coverage * num_points:
        raise ValueError(
            f"labels: {num_masks} of {num_points} points got a mask, a share of "
            f"{num_masks / num_points:.3f}; min_coverage is {limits.min_coverage:g}"
        )
