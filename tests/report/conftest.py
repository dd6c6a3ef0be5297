"""A run folder like a real one: real splits, notes and figures; masks and curves made by hand."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from upath import UPath

from ray_wssis.artifacts import Artifact, Workspace, open_stage
from ray_wssis.data.records import Record, Records
from ray_wssis.masks import decode, encode
from ray_wssis.metrics.coco_ap import average_precision
from ray_wssis.metrics.pseudo_masks import MaskQuality
from ray_wssis.stages.evaluate import read_prediction
from ray_wssis.stages.label import SCHEMA as LABELS
from ray_wssis.stages.label import summarise
from ray_wssis.stages.predict import SCHEMA as PREDICTIONS
from ray_wssis.stages.split import DataConfig, ShapesConfig, split

MISSING = 17  # every so many points get no mask
SHIFTS = {"teacher": 5, "student": 2, "upper_bound": 1}  # pixels that predictions are off
Draw = Callable[[bytes, int, int], bytes]


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> UPath:
    """A finished run of all stages but the report."""
    return make_run(tmp_path_factory.mktemp("run") / "shapes", num_images=24)


def make_run(folder: Path, num_images: int, size: int = 96) -> UPath:
    run = UPath(folder)
    run.mkdir()
    (run / "config.resolved.yaml").write_text("seed: 0\ndata:\n  percent: 25\n")
    shapes = ShapesConfig(num_images=num_images, num_validation_images=10, size=size)
    data = split(DataConfig(shapes=shapes, percent=25), 0, run / "split", redo=False)
    for name, loss in (("teacher", 4.0), ("refiner", 0.7), ("student", 3.0), ("upper_bound", 2.5)):
        train(begin(run / name), loss)
    labels = label(begin(run / "labels"), Records.read(data / "weak_truth.parquet"))
    evaluate(begin(run / "evaluation"), data, labels)
    (run / "metrics.json").write_bytes((run / "evaluation/metrics.json").read_bytes())
    return run


def begin(folder: UPath) -> Workspace:
    stage = open_stage(folder, {"by": "hand"}, seed=0)
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


def moved(mask: bytes, height: int, width: int, shift: int) -> bytes:
    """The mask some pixels to the right, and down by half of that."""
    pixels = np.zeros((height, width), dtype=bool)
    down = shift // 2
    pixels[down:, shift:] = decode(mask, height, width)[: height - down, : width - shift]
    return encode(pixels)


def label(stage: Workspace, truth: Records) -> Artifact:
    """Two files: the last picture cannot be read, some points get no mask."""
    rows = [label_row(record) for record in truth]
    rows[-1] = {key: rows[-1][key] for key in ("image_id", "file", "width", "height")}
    rows[-1]["error"] = f"{rows[-1]['file']}: the file has zero bytes; fetch the file again"
    write_rows(rows[: len(rows) // 2], LABELS, stage / "weak" / "0.parquet")
    write_rows(rows[len(rows) // 2 :], LABELS, stage / "weak" / "1.parquet")
    summarise(stage)
    return stage.finish()


def label_row(record: Record) -> dict[str, Any]:
    num = len(record.labels)
    masks = [mask for mask in record.masks if mask is not None]
    rough: list[bytes | None] = []
    refined: list[bytes | None] = []
    for annotation, mask in zip(record.annotation_ids, masks, strict=True):
        shift = annotation % 7
        empty = annotation % MISSING == 0
        size = record.height, record.width
        rough.append(None if empty else moved(mask, *size, 1 + shift))
        refined.append(None if empty else moved(mask, *size, shift // 2))
    return {
        "image_id": record.image_id,
        "file": record.file,
        "width": record.width,
        "height": record.height,
        "annotation_id": record.annotation_ids,
        "label": record.labels,
        "x": [point[0] for point in record.points if point is not None],
        "y": [point[1] for point in record.points if point is not None],
        "rough": rough,
        "refined": refined,
        "level": [-1 if mask is None else i % 4 for i, mask in enumerate(refined)],
        "class_score": [0.5] * num,
        "maskness": [0.8] * num,
        "refined_score": [0.6 + 0.05 * i for i in range(num)],
        "error": None,
    }


def evaluate(stage: Workspace, data: Artifact, labels: Artifact) -> None:
    truth = Records.read(data / "val.parquet")
    figures: dict[str, float] = {}
    for name, shift in SHIFTS.items():
        rows = [prediction_row(record, shift) for record in truth]
        write_rows(rows, PREDICTIONS, stage / "predictions" / f"model={name}" / "0.parquet")
        precision = average_precision(truth, map(read_prediction, rows))
        figures |= {f"{name}/val/{key}": value for key, value in precision.items()}
    hidden = Records.read(data / "weak_truth.parquet")
    tables = [pq.read_table(str(labels / "weak" / f"{i}.parquet")) for i in range(2)]
    rows_of = {row["image_id"]: row for row in pa.concat_tables(tables).to_pylist()}
    for column in ("rough", "refined"):
        quality = MaskQuality()
        for record in hidden:
            row = rows_of[record.image_id]
            drawn = zip(row["annotation_id"] or [], row[column] or [], strict=True)
            quality.add(record, dict(drawn))
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
        moved(mask, *size, shift * (1 + i) // 2)
        for i, mask in enumerate(record.masks)
        if mask is not None
    ]
    labels = [*record.labels[:-1], (record.labels[-1] + 1) % 6]
    scores = [0.9 - 0.1 * i for i in range(len(masks))]
    return {"image_id": record.image_id, "label": labels, "score": scores, "mask": masks}


def write_rows(rows: list[dict[str, Any]], schema: pa.Schema, file: UPath) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), str(file))
