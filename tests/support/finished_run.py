"""A run folder like a real one: real splits, manifests and figures; masks and curves by hand."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from upath import UPath

from ray_wssis.artifacts import Artifact, Workspace, open_stage
from ray_wssis.data.records import Record, Records
from ray_wssis.instance.audit import audit
from ray_wssis.instance.evaluate import CONFUSION, confusion_figures, precision_figures
from ray_wssis.instance.find_instances import FindInstances
from ray_wssis.instance.label_config import AuditConfig
from ray_wssis.instance.mask_quality import MaskQuality
from ray_wssis.instance.split import split
from ray_wssis.instance.split_config import DataConfig, ShapesConfig
from ray_wssis.instance.truth import compare_row
from ray_wssis.methods.point_wssis.labeller import PointLabeller
from ray_wssis.storage import write_json
from ray_wssis.streaming.table import each_row
from tests.support.drawn_labels import failed_row, label_row, moved, write_rows
from tests.support.run_in import run_in

SAYS = {
    "teacher": "Train the teacher on the masks",
    "refiner": "Train the refiner on them",
    "labels": "Turn every point into a mask",
    "student": "Train the student on both",
    "upper_bound": "Train the upper bound on all true masks",
    "evaluation": "Measure",
}
SHIFTS = {"teacher": 5, "student": 2, "upper_bound": 1}  # pixels that predictions are off


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> UPath:
    """A finished run of all stages but the report."""
    return make_run(tmp_path_factory.mktemp("run") / "shapes", num_images=24)


def make_run(folder: Path, num_images: int, size: int = 96) -> UPath:
    run = UPath(folder)
    run.mkdir()
    (run / "config.resolved.yaml").write_text("seed: 0\ndata:\n  percent: 25\n")
    shapes = ShapesConfig(num_images=num_images, num_validation_images=10, size=size)
    made = run_in(run)
    data = split(made, DataConfig(shapes=shapes, percent=25, audit=0.5))
    for name, loss in (("teacher", 4.0), ("refiner", 0.7), ("student", 3.0), ("upper_bound", 2.5)):
        train(begin(run / name), loss)
    labels = label(begin(run / "labels"), data)
    audit(made, data, labels, PointLabeller.signals, AuditConfig(review=9))
    evaluate(begin(run / "evaluation"), data, labels)
    (run / "metrics.json").write_bytes((run / "evaluation/metrics.json").read_bytes())
    return run


def begin(folder: UPath) -> Workspace:
    stage = open_stage(folder, {"by": "hand"}, says=SAYS[folder.name], seed=0)
    assert isinstance(stage, Workspace)
    return stage


def train(stage: Workspace, loss: float) -> None:
    rng = np.random.default_rng(0)
    lines: list[dict[str, float | None]] = []
    for step in range(10, 401, 10):
        noise = 1 + 0.08 * rng.standard_normal()
        lines.append({"step": step, "loss": loss * (0.15 + math.exp(-step / 90)) * noise})
        if step % 100 == 0 and stage.folder.name == "refiner":
            lines.append({"step": step, "val/rough_mIoU": 55.0, "val/refined_mIoU": step / 6})
        elif step % 100 == 0:
            lines.append({"step": step, "val/AP": 5 + step / (10 + 2 * loss)})
    (stage / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    stage.finish(logs=["metrics.jsonl"])


def label(stage: Workspace, data: Artifact) -> Artifact:
    """Two files: the last weak image cannot be read, some points get no mask."""
    truth = list(Records.read(data / "weak_truth.parquet"))
    weak = [label_row(record) for record in truth[:-1]]
    reason = f"{truth[-1].file}: the file has zero bytes; fetch the file again"
    audited = [label_row(record, "audit") for record in Records.read(data / "audit.parquet")]
    half = len(weak) // 2
    write_rows([*audited[:1], *weak[:half]], stage / "rows/0.parquet")
    failed = failed_row(truth[-1], reason)
    write_rows([*weak[half:], failed, *audited[1:]], stage / "rows/1.parquet")
    lines = [
        {"image_id": None, "annotation_id": 7, "stage": "points", "reason": "outside the image"},
        {"image_id": failed["image_id"], "file": "b.png", "stage": "read", "reason": reason},
    ]
    (stage / "failed.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return stage.finish()


def evaluate(stage: Workspace, data: Artifact, labels: Artifact) -> None:
    truth = Records.read(data / "val.parquet")
    rows: list[dict[str, Any]] = []
    for name, shift in SHIFTS.items():
        rows += [{"model": name} | prediction_row(record, shift) for record in truth]
    (stage / "rows").mkdir()
    table = pa.Table.from_pylist(rows, schema=FindInstances.schema)
    pq.write_table(table, str(stage / "rows/0.parquet"))
    figures = precision_figures(truth, stage / "rows", list(SHIFTS))
    write_json(stage / CONFUSION, confusion_figures(truth, stage / "rows", list(SHIFTS)))
    hidden = Records.read(data / "weak_truth.parquet")
    rows_of = {row["image_id"]: row for row in each_row(labels / "rows", source="weak")}
    for column in ("rough", "refined"):
        quality = MaskQuality()
        for record in hidden:
            quality.add(record, compare_row(rows_of[record.image_id], column, record))
        names = [category.name for category in hidden.categories]
        measured = quality.figures(names)
        figures |= {f"pseudo/{column}/{key}": value for key, value in measured.items()}
    known = {key: None if math.isnan(value) else value for key, value in figures.items()}
    (stage / "metrics.json").write_text(json.dumps(known))
    stage.finish()


def prediction_row(record: Record, shift: int) -> dict[str, Any]:
    """Every object, further off the later it comes; the last one is called by a wrong class."""
    size = record.height, record.width
    masks = [
        moved(obj.mask, *size, shift * (1 + i) // 2)
        for i, obj in enumerate(record.objects)
        if obj.mask is not None
    ]
    labels = [obj.label for obj in record.objects]
    labels[-1] = (labels[-1] + 1) % 6
    scores = [0.9 - 0.1 * i for i in range(len(masks))]
    return {"image_id": record.image_id, "label": labels, "score": scores, "mask": masks}
