"""The audit of class maps, read a few rows at a time, against everything at once."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from upath import UPath

from ray_wssis.data.class_maps.png import UNKNOWN, decode, encode
from ray_wssis.data.records import Category, Record, Records
from ray_wssis.instance.signal_prior import prior_of
from ray_wssis.metrics.calibration import Regression, cross_validated
from ray_wssis.metrics.miou import Counts
from ray_wssis.semantic import audit as module
from ray_wssis.semantic.audit import Compared, WeakLabels
from ray_wssis.semantic.evaluate import label_figures
from ray_wssis.semantic.label_row import SCHEMA, SIGNALS
from ray_wssis.streaming.table import each_row, pieces

CLASSES = tuple(Category(id=i + 1, name=name) for i, name in enumerate(("ground", "disc", "box")))
Row = dict[str, Any]


def class_map(rng: np.random.Generator) -> np.ndarray:
    return rng.integers(0, 3, (12, 9)).astype(np.uint8)


def rows_and_truth(number: int) -> tuple[list[Row], Records]:
    """Make up labels of which every seventh failed, and true maps of all images but one."""
    rng = np.random.default_rng(0)
    rows, records = [], []
    for image_id in range(1, number + 1):
        true, sure = class_map(rng), rng.random()
        drawn = np.where(rng.random(true.shape) < sure, true, class_map(rng)).astype(np.uint8)
        if image_id % 5 == 0:
            true[:6] = UNKNOWN
        signals = {"confidence_mean": sure, "unsure_share": 1 - sure, "least_confidence": sure / 2}
        row = {"image_id": image_id, "file": f"{image_id}.png", "width": 9, "height": 12}
        row |= {"class_map": encode(drawn), "flags": ["tag missing"] if image_id % 3 else []}
        row |= {"missing_tags": image_id % 2, "error": None if image_id % 7 else "unreadable"}
        rows.append(row | signals)
        record = Record(image_id=image_id, file=f"{image_id}.png", width=9, height=12, objects=())
        records.append(replace(record, class_map=None if image_id == 4 else encode(true)))
    rng.shuffle(rows)
    return rows, Records.from_rows(records, CLASSES)


def slowly_compared(rows: list[Row], truth: Records) -> list[tuple[Row, dict[str, float]]]:
    found = []
    for row in sorted(rows, key=lambda row: int(row["image_id"])):
        record = next(record for record in truth if record.image_id == row["image_id"])
        if row["error"] is None and record.class_map is not None:
            true, drawn = decode(record.class_map), decode(row["class_map"])
            figures = Counts.of(true, drawn, 3).figures()
            found.append((row, {name: figures[name] / 100 for name in module.MEASURES}))
    return found


def test_audit_images_are_compared_as_a_loop_does() -> None:
    rows, truth = rows_and_truth(40)
    compared, slow = Compared.of(rows, truth), slowly_compared(rows, truth)
    assert compared.ids.tolist() == [row["image_id"] for row, _ in slow]
    signals = np.array([[row[name] for name in SIGNALS] for row, _ in slow])
    assert compared.signals == pytest.approx(signals)
    for name in module.MEASURES:
        true = np.array([values[name] for _, values in slow])
        assert compared.measured[name] == pytest.approx(true)
        told = cross_validated(signals, true, compared.ids, prior_of(SIGNALS, signals))
        assert told is not None
        assert compared.error(name) == pytest.approx(np.abs(told - true).mean(), abs=1e-6)


@pytest.mark.parametrize("at_once", [1, 7, 1000])
@pytest.mark.parametrize("calibrated", [True, False])
def test_weak_images_are_judged_alike_however_many_come_at_once(
    at_once: int, calibrated: bool
) -> None:
    rows, truth = rows_and_truth(40)
    compared = Compared.of(rows if calibrated else [], truth)
    models = {name: compared.fit(name) for name in module.MEASURES}
    assert all(isinstance(model, Regression) is calibrated for model in models.values())
    weak = WeakLabels(models, most=10)
    for piece in pieces(rows, at_once):
        weak.add(piece)
        assert len(weak.kept) <= 10  # nothing else of an image stays in memory
    values = np.array([[row[name] for name in SIGNALS] for row in rows])
    order = {
        row["image_id"]: value
        for row, value in zip(
            rows,
            models["pixel_accuracy"].predict(values)
            if models["pixel_accuracy"] is not None
            else [row["confidence_mean"] for row in rows],
            strict=True,
        )
    }
    worst = sorted(order, key=lambda image_id: (order[image_id], image_id))[:10]
    assert [image["image_id"] for image in weak.worst] == worst
    for name, model in models.items():
        wanted = None if model is None else pytest.approx(model.predict(values).mean(), abs=1e-6)
        assert weak.expected_mean(name) == wanted
        assert all((image[f"expected_{name}"] is not None) is calibrated for image in weak.worst)


def test_pseudo_labels_are_measured_as_a_loop_does(tmp_path: Path) -> None:
    rows, truth = rows_and_truth(40)
    schema = pa.schema([*SCHEMA, ("source", pa.string()), ("error", pa.string())])
    (tmp_path / "rows").mkdir()
    for shard, piece in enumerate(pieces([row | {"source": "weak"} for row in rows], 9)):
        pq.write_table(
            pa.Table.from_pylist(piece, schema=schema), tmp_path / f"rows/{shard}.parquet"
        )
    total = Counts.none(3)
    for row, _ in slowly_compared(rows, truth):
        record = next(record for record in truth if record.image_id == row["image_id"])
        assert record.class_map is not None
        drawn = decode(row["class_map"])
        total += Counts.of(decode(record.class_map), drawn, 3)
    names = [category.name for category in CLASSES]
    found = label_figures(truth, UPath(tmp_path), "weak", names)  # type: ignore[arg-type]
    assert found == {f"pseudo/{name}": value for name, value in total.figures(names).items()}
    assert len(list(each_row(UPath(tmp_path) / "rows", source="weak"))) == 40
