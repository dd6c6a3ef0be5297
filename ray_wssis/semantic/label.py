"""Class maps for the weak or sparsely annotated images, drawn by any labeller.

The audit images, whose class maps are known and which no network was trained on, take the same
path; how good their labels are tells how good the others are.
"""

from collections import Counter
from typing import Any

from upath import UPath

from ray_wssis.artifacts import Artifact, Workspace
from ray_wssis.data.records import Category, Records
from ray_wssis.run import ROWS, Run, streamed_from
from ray_wssis.semantic.split import AUDIT
from ray_wssis.semantic.to_label import to_label
from ray_wssis.storage import write_json
from ray_wssis.streaming.labeller import Labeller
from ray_wssis.streaming.table import each_row, failed_lines
from ray_wssis.streaming.throughput import Throughput

SUMMARY = "summary.json"
THROUGHPUT = "throughput.json"
FAILED = "failed.jsonl"


def label(run: Run, data: Artifact, by: Labeller, max_failures: int | None) -> Artifact:
    """Label training and audit images: `rows/`, `summary.json` and `failed.jsonl`.

    Raises TooManyFailures if more images fail than may; finished rows are kept, and with another
    limit the same command continues.
    """
    weak = to_label(data.folder)
    images = [data.part(AUDIT), data.part(weak)]

    def make(stage: Workspace) -> None:
        throughput = run.infer(stage, images, by, max_failures)
        source, categories = UPath(weak).stem, Records.read(data / weak).categories
        summarise(stage, throughput, source, categories)

    return run.stage(
        "labels",
        "Give every pixel of the images to learn from a class",
        streamed_from(images, by),
        make,
        logs=[ROWS, THROUGHPUT],
        keep=[ROWS],
        reopen=run.retry_failed,
    )


def summarise(
    stage: Workspace, throughput: Throughput, source: str, categories: tuple[Category, ...]
) -> None:
    """Write the counts, the speed and the failures of rows that are complete."""
    if throughput.num_images:
        write_json(stage / THROUGHPUT, throughput.figures())
    write_json(stage / SUMMARY, count_labels(stage / ROWS, source, categories))
    (stage / FAILED).write_text(failed_lines(stage / ROWS))


def count_labels(rows: UPath, source: str, categories: tuple[Category, ...]) -> dict[str, Any]:
    """Count the images of a source, their flags, and the pixels of each class."""
    counts, flags, areas = Counter[str](), Counter[str](), Counter[int]()
    confidence = 0.0
    columns = ["label", "pixels", "confidence_mean", "flags", "error"]
    for row in each_row(rows, columns, source=source):
        counts["num_images"] += 1
        if row["error"] is not None:
            counts["num_failed_images"] += 1
            continue
        areas.update(dict(zip(row["label"], row["pixels"], strict=True)))
        flags.update(row["flags"])
        confidence += row["confidence_mean"]
    num_labelled = counts["num_images"] - counts["num_failed_images"]
    return {
        "num_images": counts["num_images"],
        "num_failed_images": counts["num_failed_images"],
        "mean_confidence": round(confidence / num_labelled, 6) if num_labelled else None,
        "flags": dict(sorted(flags.items())),
        "share_of_pixels": {
            category.name: round(areas[i] / max(1, areas.total()), 6)
            for i, category in enumerate(categories)
        },
    }
