"""The weak pictures get masks: every point becomes a rough mask, and the refiner mends it.

One row per picture comes out, one entry of its lists per point.  A picture that cannot be read
has an `error` and no lists; a point without a mask has null and level -1.
"""

import json
import logging
from typing import Any

import pyarrow as pa
import torch
from upath import UPath

from ray_wssis.artifacts import Workspace
from ray_wssis.data.records import Record
from ray_wssis.methods.point_wssis.labeller import PointLabeller
from ray_wssis.methods.point_wssis.refiner import Refiner
from ray_wssis.methods.point_wssis.segmenter import Segmenter
from ray_wssis.stages.decode import Picture
from ray_wssis.stages.split import WEAK
from ray_wssis.stages.table import read_rows

SUMMARY = "summary.json"
FAILED = "failed.jsonl"

logger = logging.getLogger(__name__)

SCHEMA = pa.schema(
    [
        ("image_id", pa.int64()),
        ("file", pa.string()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("annotation_id", pa.list_(pa.int64())),
        ("label", pa.list_(pa.int32())),
        ("x", pa.list_(pa.float64())),  # original pixels
        ("y", pa.list_(pa.float64())),
        ("rough", pa.list_(pa.binary())),  # run-length counts
        ("refined", pa.list_(pa.binary())),
        ("level", pa.list_(pa.int32())),
        ("class_score", pa.list_(pa.float32())),
        ("maskness", pa.list_(pa.float32())),
        ("refined_score", pa.list_(pa.float32())),
        ("error", pa.string()),
    ]
)


class LabelPoints:
    """Pictures with points -> rows of labels."""

    schema = SCHEMA

    def __init__(self, teacher: str, refiner: str | None) -> None:
        device = best_device()
        self.labeller = PointLabeller(
            Segmenter.load(UPath(teacher), device),
            None if refiner is None else Refiner.load(UPath(refiner), device),
        )

    def __call__(self, pictures: list[Picture]) -> list[dict[str, Any]]:
        readable = [picture for picture in pictures if picture.error is None]
        rows = [describe(picture) for picture in pictures if picture.error is not None]
        if not readable:
            return rows
        records = [with_points(picture.record) for picture in readable]
        labels = self.labeller.label(
            records,
            [picture.image for picture in readable],
            [picture.network_image for picture in readable],
        )
        for picture, record, found in zip(readable, records, labels, strict=True):
            rows.append(
                describe(picture)
                | {
                    "annotation_id": record.annotation_ids,
                    "label": record.labels,
                    "x": [point[0] for point in record.points if point is not None],
                    "y": [point[1] for point in record.points if point is not None],
                    "rough": found.rough.masks,
                    "refined": found.refined,
                    "level": found.rough.levels,
                    "class_score": found.rough.class_scores,
                    "maskness": found.rough.maskness,
                    "refined_score": found.refined_scores,
                }
            )
        return rows


def with_points(record: Record) -> Record:
    """The record without objects that nobody pointed at."""
    return record.keep(i for i, point in enumerate(record.points) if point is not None)


def describe(picture: Picture) -> dict[str, Any]:
    record = picture.record
    return {
        "image_id": record.image_id,
        "file": record.file,
        "width": record.width,
        "height": record.height,
        "error": picture.error,
    }


def summarise(stage: Workspace) -> None:
    """Count what was labelled, into `summary.json` and the log; list what could not be read.

    Raises ValueError when not one point got a mask.
    """
    rows = read_rows(stage / UPath(WEAK).stem)
    failed = [
        {"image_id": r["image_id"], "file": r["file"], "reason": r["error"]}
        for r in rows
        if r["error"] is not None
    ]
    masks = [mask for row in rows for mask in row["refined"] or []]
    summary = {
        "num_images": len(rows),
        "num_failed_images": len(failed),
        "num_points": len(masks),
        "num_points_without_mask": sum(mask is None for mask in masks),
    }
    (stage / SUMMARY).write_text(json.dumps(summary, indent=2) + "\n")
    (stage / FAILED).write_text("".join(json.dumps(line) + "\n" for line in failed))
    logger.info("labels: %s", ", ".join(f"{key} {value}" for key, value in summary.items()))
    for line in failed[:3]:
        logger.warning("labels: %s", line["reason"])
    if all(mask is None for mask in masks):
        raise ValueError(
            f"labels: none of {len(masks)} points on {len(rows)} images got a mask; "
            f"look at {stage / FAILED} and at the teacher's figures"
        )


def best_device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
