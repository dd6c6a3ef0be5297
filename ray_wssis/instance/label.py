"""The weak pictures get masks: every point becomes a rough mask, and the refiner mends it.

The audit pictures, whose true masks are known and which the teacher has never seen, go through
the very same processes; what becomes of them tells how good the masks of the others are.
"""

import json
import logging
from collections import Counter
from typing import Any

import torch
from upath import UPath

from ray_wssis.artifacts import Artifact, Workspace
from ray_wssis.data.records import Category, Records
from ray_wssis.instance.label_config import LabelLimits
from ray_wssis.instance.label_row import SCHEMA, finish_row
from ray_wssis.instance.segmenter import Segmenter, read_config
from ray_wssis.instance.split import AUDIT, REJECTED, WEAK
from ray_wssis.methods.point_wssis.labeller import PointLabeller
from ray_wssis.methods.point_wssis.refiner import Refiner
from ray_wssis.models.solov2 import PADDING_MULTIPLE
from ray_wssis.storage import read_json, write_json
from ray_wssis.streaming.config import LabellingWorkers
from ray_wssis.streaming.decode import Picture
from ray_wssis.streaming.stream import Pass, stream
from ray_wssis.streaming.table import each_row

ROWS = "rows"
SUMMARY = "summary.json"
THROUGHPUT = "throughput.json"
FAILED = "failed.jsonl"

logger = logging.getLogger(__name__)


class LabelPoints:
    """Pictures with points -> rows of labels, to be finished by `finish_row`."""

    def __init__(self, teacher: str, refiner: str | None) -> None:
        device = best_device()
        self.labeller = PointLabeller(
            Segmenter.load(UPath(teacher), device),
            None if refiner is None else Refiner.load(UPath(refiner), device),
        )

    def __call__(self, pictures: list[Picture]) -> list[dict[str, Any]]:
        drafts = self.labeller.draft(
            [picture.record for picture in pictures],
            [picture.image for picture in pictures],
            [picture.network_image for picture in pictures],
        )
        return [draft.to_row() for draft in drafts]


def label(
    stage: Workspace,
    data: Artifact | Workspace,
    models: dict[str, UPath],
    workers: LabellingWorkers,
    limits: LabelLimits,
    *,
    made_from: str,
    retry_failed: bool,
) -> None:
    """Rows for the weak and the audit pictures.  `models` are the folders of teacher and refiner.

    Raises ValueError when too many pictures fail or too few points get a mask; what was labelled
    stays, and with other limits the same command goes on.
    """
    throughput = stream(
        Pass(
            name="labels",
            records=[data / AUDIT, data / WEAK],
            worker=LabelPoints,
            arguments={name: str(folder) for name, folder in models.items()},
            schema=SCHEMA,
            finish=finish_row,
            made_from=made_from,
            network_size=read_config(models["teacher"]).sides,
            canvas_multiple=PADDING_MULTIPLE,
            needs_original=True,
            out=stage / ROWS,
        ),
        workers,
        retry_failed=retry_failed,
        max_failures=limits.max_failures,
    )
    if throughput.num_images:
        write_json(stage / THROUGHPUT, throughput.figures())
    rejected = (data / REJECTED).read_text()
    summary = summarise(stage / ROWS, Records.read(data / WEAK).categories)
    summary["num_rejected_points"] = len(rejected.splitlines())
    write_json(stage / SUMMARY, summary)
    (stage / FAILED).write_text(rejected + failures(stage / ROWS))
    check_coverage(stage, limits)


def summarise(rows: UPath, categories: tuple[Category, ...]) -> dict[str, Any]:
    """Counts of the weak pictures' labels."""
    counts, classes = Counter[str](), Counter[int]()
    for row in each_row(rows, ["label", "refined", "error"], pictures=UPath(WEAK).stem):
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


def failures(rows: UPath) -> str:
    """A line of JSON for each picture that failed, by image id."""
    columns = ["image_id", "file", "stage", "error"]
    failed = [
        {name: row[name] for name in ("image_id", "file", "stage")} | {"reason": row["error"]}
        for row in each_row(rows, columns)
        if row["error"] is not None
    ]
    failed.sort(key=lambda line: int(line["image_id"]))
    return "".join(json.dumps(line) + "\n" for line in failed)


def check_coverage(labels: Artifact | Workspace, limits: LabelLimits) -> None:
    """Raise ValueError when no point, or too few of them, got a mask."""
    summary = read_json(labels / SUMMARY)
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


def best_device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
