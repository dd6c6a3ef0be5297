"""Rows are of the built-in shapes, their masks moved by hand: what is unsure is further off."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from upath import UPath

from ray_wssis.data.builtin.shapes import write_shapes
from ray_wssis.data.coco.read import read_coco
from ray_wssis.data.points.draw import with_points
from ray_wssis.data.points.kind import PointKind
from ray_wssis.data.records import Record, Records
from ray_wssis.instance.area_prior import AreaPrior
from ray_wssis.instance.audit_figures import Audit
from ray_wssis.instance.quality import (
    MOST_UNUSUAL,
    QualityModel,
    Row,
    column_of,
    held_out,
    read_signals,
)
from ray_wssis.methods.point_wssis.labeller import PointLabeller
from tests.support.drawn_labels import failed_row, label_row

SIGNALS = PointLabeller.signals


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> list[Record]:
    folder = Path(tmp_path_factory.mktemp("shapes"))
    read = read_coco(write_shapes(UPath(folder), 30, 0, 96), UPath(folder / "images"))
    return [with_points(record, PointKind.CENTROID, 0) for record in read]


@pytest.fixture(scope="module")
def rows(records: list[Record]) -> list[Row]:
    return [label_row(record) for record in records]


def by_id(records: list[Record]) -> dict[int, Record]:
    return {record.image_id: record for record in records}


@pytest.fixture(scope="module")
def model(records: list[Record], rows: list[Row]) -> QualityModel:
    return QualityModel.fit(rows[:15], by_id(records[:15]), records[:15], SIGNALS)


def test_masks_of_other_images_are_expected_to_be_as_good_as_they_are(
    model: QualityModel, records: list[Record], rows: list[Row]
) -> None:
    expected = model.expected_ious(rows[15:])
    audit = Audit.of(rows[15:], by_id(records[15:]))
    true = audit.refined[audit.has_mask]
    assert np.corrcoef(expected[audit.has_mask], true)[0, 1] > 0.7
    assert expected[audit.has_mask].mean() == pytest.approx(true.mean(), abs=0.05)
    worst = np.argsort(expected[audit.has_mask])[: len(true) // 10]
    assert np.delete(true, worst).mean() > true.mean()


def test_many_rows_at_once_are_as_one_after_the_other(model: QualityModel, rows: list[Row]) -> None:
    one_by_one = [each for row in rows for each in model.expected_iou(row)]
    together = model.expected_ious(rows)
    assert [None if np.isnan(each) else each for each in together.tolist()] == pytest.approx(
        one_by_one
    )


def test_where_there_is_no_mask_nothing_is_expected(model: QualityModel, rows: list[Row]) -> None:
    for row in rows:
        drawn = [mask is not None for mask in row["refined"]]
        assert [each is not None for each in model.expected_iou(row)] == drawn
    assert not all(mask is not None for row in rows for mask in row["refined"])


def test_an_image_that_failed_has_no_points(model: QualityModel, records: list[Record]) -> None:
    lists = dict.fromkeys(["annotation_id", "label", "rough", "refined", *map(column_of, SIGNALS)])
    row = failed_row(records[0], "cut short") | lists
    assert model.expected_iou(row) == []
    assert model.expected_ious([]).shape == (0,)


def test_without_audit_images_nothing_is_expected(records: list[Record], rows: list[Row]) -> None:
    model = QualityModel.fit([], {}, records, SIGNALS)
    assert model.expected_iou(rows[0]) == [None] * len(rows[0]["label"])
    assert model.prior == AreaPrior.of(records)
    assert QualityModel.from_json(json.loads(json.dumps(model.to_json()))) == model


def test_a_handful_of_masks_is_enough_to_tell_good_from_bad(
    records: list[Record], rows: list[Row]
) -> None:
    model = QualityModel.fit(rows[:2], by_id(records[:2]), records[:2], SIGNALS)
    audit = Audit.of(rows[2:], by_id(records[2:]))
    expected, true = model.expected_ious(rows[2:])[audit.has_mask], audit.refined[audit.has_mask]
    assert np.corrcoef(expected, true)[0, 1] > 0.3
    assert expected.mean() == pytest.approx(true.mean(), abs=0.15)


def test_crowds_teach_nothing(records: list[Record], rows: list[Row]) -> None:
    def fit(truth: list[Record]) -> QualityModel:
        return QualityModel.fit(rows[:15], by_id(truth), Records.from_rows(records, []), SIGNALS)

    crowd = [
        replace(record, objects=(replace(record.objects[0], crowd=True), *record.objects[1:]))
        for record in records
    ]
    lacking = [replace(record, objects=record.objects[1:]) for record in records]
    assert fit(crowd) == fit(lacking) != fit(records)


def test_json_brings_the_model_back(model: QualityModel, rows: list[Row]) -> None:
    again = QualityModel.from_json(json.loads(json.dumps(model.to_json())))
    np.testing.assert_array_equal(again.expected_ious(rows), model.expected_ious(rows))


def test_a_calibration_for_other_signals_is_refused(model: QualityModel, rows: list[Row]) -> None:
    values = json.loads(json.dumps(model.to_json()))
    values["signals"] = ["class_score", "colour"]
    with pytest.raises(ValueError, match=r"no colour.*--redo"):
        QualityModel.from_json(values).expected_ious(rows)


def test_a_labeller_may_have_other_signals(records: list[Record], rows: list[Row]) -> None:
    model = QualityModel.fit(rows[:15], by_id(records[:15]), records[:15], ("maskness", "area"))
    assert model.columns == ("label", "area", "maskness")
    bare = [{name: row[name] for name in ("image_id", *model.columns)} for row in rows[15:]]
    assert np.isfinite(model.expected_ious(bare)).any()


def test_held_out_masks_are_those_with_a_known_truth(
    records: list[Record], rows: list[Row]
) -> None:
    model = QualityModel.fit(rows, by_id(records), records, SIGNALS)
    expected, true = held_out(model, rows, by_id(records[:20]))
    audit = Audit.of(rows, by_id(records[:20]))
    np.testing.assert_array_equal(true, audit.refined[audit.is_known & audit.has_mask])
    assert np.corrcoef(expected, true)[0, 1] > 0.7
    assert all(not each.size for each in held_out(model, rows[:1], by_id(records)))


def test_a_mask_of_two_points_is_a_signal(records: list[Record], rows: list[Row]) -> None:
    row = {**rows[0], "flags": [["duplicate"], None, *[["empty"]] * (len(rows[0]["label"]) - 2)]}
    values = read_signals([row], ("area", "duplicate"), AreaPrior.of(records))
    assert values[:, 1].tolist() == [1, *[0] * (len(row["label"]) - 1)]
    assert QualityModel.fit([], {}, records, ("duplicate",)).columns == ("label", "area", "flags")


def test_signals_are_finite_whatever_a_row_holds(records: list[Record], rows: list[Row]) -> None:
    row = dict(rows[0])
    num = len(row["label"])
    row["level_margin"] = [float("inf"), None, *[0.1] * (num - 2)]
    row["refined_score"] = [1.0, None, *[0.5] * (num - 2)]
    row["area"] = [10**6] * num
    signals = read_signals([row], SIGNALS, AreaPrior.of(records))
    assert np.isfinite(signals).all()
    assert (signals[:, SIGNALS.index("area")] <= MOST_UNUSUAL).all()


def test_rough_masks_are_used_where_refining_made_them_worse(
    model: QualityModel, records: list[Record], rows: list[Row]
) -> None:
    assert model.masks == "refined"
    swapped = [{**row, "rough": row["refined"], "refined": row["rough"]} for row in rows]
    other = QualityModel.fit(swapped[:15], by_id(records[:15]), records[:15], SIGNALS)
    assert other.masks == "rough"
    assert QualityModel.from_json(json.loads(json.dumps(other.to_json()))) == other
    np.testing.assert_array_equal(other.expected_ious(swapped), model.expected_ious(rows))
    for first, second in zip(
        held_out(other, swapped[:15], by_id(records)),
        held_out(model, rows[:15], by_id(records)),
        strict=True,
    ):
        np.testing.assert_array_equal(first, second)


def test_a_calibration_of_an_earlier_version_is_of_refined_masks(model: QualityModel) -> None:
    values = model.to_json()
    del values["masks"]
    assert QualityModel.from_json(values) == model
