from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from upath import UPath

from ray_wssis.data.records import Records
from ray_wssis.instance.label_numbers import LabelNumbers, RecordsById, read_label_numbers


@pytest.fixture
def truth(run: UPath) -> RecordsById:
    return RecordsById(Records.read(run / "split/weak_truth.parquet"))


def test_every_point_of_every_file_has_its_numbers(run: UPath, truth: RecordsById) -> None:
    numbers = read_label_numbers(run / "labels/rows", truth)
    readable = truth.records.select(range(len(truth.records) - 1))  # the last one is not
    assert len(numbers) == sum(len(record.objects) for record in readable)
    assert (numbers.refined_iou[~numbers.has_mask] == 0).all()
    assert (numbers.refined_iou[numbers.has_mask] >= numbers.rough_iou[numbers.has_mask]).all()
    assert set(numbers.file.tolist()) == {0, 1}


def test_audit_images_are_no_weak_ones(run: UPath, truth: RecordsById) -> None:
    audited = set(Records.read(run / "split/audit.parquet").table["image_id"].to_pylist())
    assert audited
    assert not audited & set(read_label_numbers(run / "labels/rows", truth).image_id.tolist())


def test_without_truth_the_score_is_the_quality(run: UPath) -> None:
    numbers = read_label_numbers(run / "labels/rows", None)
    assert not numbers.knows_truth
    np.testing.assert_array_equal(numbers.quality, numbers.score)


def test_rows_come_from_the_files_that_hold_them(run: UPath, truth: RecordsById) -> None:
    numbers: LabelNumbers = read_label_numbers(run / "labels/rows", truth)
    chosen = [0, len(numbers) - 1]
    rows = numbers.rows(chosen)
    assert sorted(rows) == sorted(numbers.image_id[chosen].tolist())


def test_no_files_give_no_numbers(tmp_path: Path) -> None:
    numbers = read_label_numbers(UPath(tmp_path), None)
    assert len(numbers) == 0
    assert not numbers.knows_truth


def test_records_are_found_by_id_and_unknown_ids_are_not(truth: RecordsById) -> None:
    known = int(truth.ids[2])
    assert list(truth.find([known, 10**9])) == [known]


def test_masks_of_a_labeller_without_a_pyramid_have_no_level(run: UPath, tmp_path: Path) -> None:
    for file in (run / "labels/rows").glob("*.parquet"):
        table = pq.read_table(str(file)).drop_columns(["level"])
        pq.write_table(table, str(tmp_path / file.name))
    numbers = read_label_numbers(UPath(tmp_path), None)
    before = read_label_numbers(run / "labels/rows", None)
    assert (numbers.level == -1).all()
    assert (numbers.has_mask == before.has_mask).all() and before.has_mask.any()
