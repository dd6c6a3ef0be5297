"""Small files of a run folder: the manifests, figures, logs and failures of its stages."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from upath import UPath

from ray_wssis.models.model_folder import METRICS

MANIFEST = "manifest.json"
REPORT = "report"  # stage of the page itself

Figures = Mapping[str, float | None]


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A finished stage as its folder describes it."""

    name: str
    says: str  # one sentence: what the stage does
    started: str  # UTC, ISO 8601
    seconds: float
    digest: str
    seed: int | None
    code_version: str
    log: list[dict[str, float | None]]  # of a training, a line for some steps
    figures: Figures  # measured by this stage
    failed: list[dict[str, Any]]  # images that could not be read
    rejected: list[dict[str, Any]]  # labels that could not be used

    @classmethod
    def read(cls, folder: UPath) -> "Stage":
        """Read the finished stage in `folder`."""
        manifest = read_json(folder / MANIFEST)
        failures = read_lines(folder / "failed.jsonl")
        return cls(
            name=folder.name,
            says=manifest.get("says") or "",
            started=manifest.get("started") or "",
            seconds=float(manifest.get("seconds") or 0),
            digest=manifest.get("digest") or "",
            seed=manifest.get("seed"),
            code_version=manifest.get("code_version") or "",
            log=read_lines(folder / "metrics.jsonl"),
            figures=read_json(folder / METRICS),
            failed=[line for line in failures if "annotation_id" not in line],
            rejected=[line for line in failures if "annotation_id" in line],
        )


@dataclass(frozen=True, kw_only=True)
class RunFolder:
    """A run as its folder describes it; what is missing from the folder is empty here."""

    folder: UPath
    stages: Mapping[str, Stage]  # the finished ones by name, in the order in which they started
    figures: Figures
    config: str  # YAML

    @classmethod
    def read(cls, folder: UPath) -> "RunFolder":
        """Read the run in `folder`."""
        folder.fs.invalidate_cache()  # other processes write there too
        stages = [Stage.read(file.parent) for file in folder.glob(f"*/{MANIFEST}")]
        stages.sort(key=lambda stage: (stage.started, stage.name))
        measured = {name: value for stage in stages for name, value in stage.figures.items()}
        return cls(
            folder=folder,
            stages={stage.name: stage for stage in stages},
            figures=read_json(folder / METRICS) or measured,
            config=read_text(folder / "config.resolved.yaml"),
        )

    @property
    def name(self) -> str:
        return self.folder.name

    def figure(self, name: str) -> float | None:
        """The figure of this name if it has a finite value."""
        return finite(self.figures.get(name))


def finite(value: float | None) -> float | None:
    """`value`, or None for NaN and infinity."""
    return value if value is not None and math.isfinite(value) else None


def read_text(file: UPath) -> str:
    return file.read_text(encoding="utf-8") if file.exists() else ""


def read_json(file: UPath) -> dict[str, Any]:
    values: dict[str, Any] = json.loads(read_text(file) or "{}")
    return values


def read_lines(file: UPath) -> list[dict[str, Any]]:
    return [json.loads(line) for line in read_text(file).splitlines() if line]


def read_counts(folder: UPath) -> dict[str, Any]:
    """Read the counts of the split by part (`strong`, `weak`), and how it was cut; empty without
    one."""
    files = sorted((folder / "split").glob("*_split.json"), key=str)
    return read_json(files[0]) if files else {}
