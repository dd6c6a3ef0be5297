"""What the small files of a run folder say: figures, counts, notes and logs."""

import json
import math
from dataclasses import dataclass
from typing import Any

from upath import UPath

from ray_wssis.data.records import Records

STAGES = {  # in the order in which they run
    "split": "Split the data into masks and points",
    "teacher": "Train the teacher on the masks",
    "rough": "Draw rough masks to practise on",
    "refiner": "Train the refiner to mend them",
    "labels": "Turn every point into a mask",
    "audit": "Judge the masks by pictures whose truth is known",
    "merged": "Merge true and pseudo masks",
    "student": "Train the student on both",
    "upper_bound": "Train the upper bound on all true masks",
    "evaluation": "Measure",
}


@dataclass(frozen=True, kw_only=True)
class Run:
    """What the small files of a run folder say; what is not there is empty."""

    folder: UPath
    metrics: dict[str, float | None]
    counts: dict[str, Any]  # of the split: strong, weak, percent, ...
    manifests: dict[str, dict[str, Any]]  # by stage
    logs: dict[str, list[dict[str, float | None]]]  # by stage
    failed: list[dict[str, Any]]  # pictures
    rejected: list[dict[str, Any]]  # points
    audit: dict[str, Any]  # figures of the audit
    has_review: bool  # the page of the worst masks is there
    config: str

    @classmethod
    def read(cls, folder: UPath) -> "Run":
        splits = sorted((folder / "split").glob("*_split.json"), key=str)
        manifests = {stage: read_json(folder / stage / "manifest.json") for stage in STAGES}
        failures = read_lines(folder / "labels" / "failed.jsonl")
        return cls(
            folder=folder,
            metrics=read_json(folder / "metrics.json")
            or read_json(folder / "evaluation" / "metrics.json"),
            counts=read_json(splits[0]) if splits else {},
            manifests={stage: note for stage, note in manifests.items() if note},
            logs={stage: read_lines(folder / stage / "metrics.jsonl") for stage in STAGES},
            failed=[line for line in failures if "annotation_id" not in line],
            rejected=[line for line in failures if "annotation_id" in line],
            audit=read_json(folder / "audit" / "audit.json"),
            has_review=(folder / "audit" / "review.html").exists(),
            config=read_text(folder / "config.resolved.yaml"),
        )

    def figure(self, name: str) -> float | None:
        """A figure that has a finite value."""
        value = self.metrics.get(name)
        return value if value is not None and math.isfinite(value) else None

    def class_names(self) -> list[str]:
        """Names of the classes, in the order of their labels."""
        for name in ("val", "weak", "strong"):
            file = self.folder / f"split/{name}.parquet"
            if file.exists():
                return [category.name for category in Records.read(file).categories]
        return []


def read_text(file: UPath) -> str:
    return file.read_text(encoding="utf-8") if file.exists() else ""


def read_json(file: UPath) -> dict[str, Any]:
    values: dict[str, Any] = json.loads(read_text(file) or "{}")
    return values


def read_lines(file: UPath) -> list[dict[str, Any]]:
    return [json.loads(line) for line in read_text(file).splitlines() if line]
