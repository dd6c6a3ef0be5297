"""Tests of ray_wssis.data.sparse.given."""

from pathlib import Path

import numpy as np
import pytest

from ray_wssis.data.class_maps.png import UNKNOWN, decode, encode
from ray_wssis.data.problem import Problems
from ray_wssis.data.records import Category, Record, Records
from ray_wssis.data.sparse.config import SparseLabelsConfig
from ray_wssis.data.sparse.given import with_given_labels
from tests.support.class_maps import MAP, write_image, write_map

CATEGORIES = [Category(id=label, name=f"{label}") for label in range(3)]


def test_files_add_up_and_later_ones_lie_above(tmp_path: Path) -> None:
    for name in "ab":
        write_image(tmp_path / f"images/{name}.png")
    records = Records.from_rows(
        [
            Record(
                image_id=place,
                file=f"{tmp_path}/images/{name}.png",
                width=6,
                height=4,
                class_map=encode(MAP),
                tags=(0, 1, 2),
            )
            for place, name in enumerate("ab")
        ],
        CATEGORIES,
    )
    lower, upper = np.full_like(MAP, UNKNOWN), np.full_like(MAP, UNKNOWN)
    lower[0], upper[0, :2], upper[3, 3] = 0, 1, 2
    write_map(tmp_path / "lower/a.png", lower)
    write_map(tmp_path / "upper/a.png", upper)
    config = SparseLabelsConfig(labels=(f"{tmp_path}/lower", f"{tmp_path}/upper"))
    annotated, bare = with_given_labels(records, config, Problems())
    assert bare.class_map is None and bare.tags is None
    assert annotated.class_map is not None and annotated.tags == (0, 1, 2)
    sparse = decode(annotated.class_map)
    assert sparse[0].tolist() == [1, 1, 0, 0, 0, 0] and sparse[3, 3] == 2
    assert (sparse != UNKNOWN).sum() == 7


def test_one_folder_needs_no_list() -> None:
    assert SparseLabelsConfig.model_validate({"labels": "x"}).labels == ("x",)


def test_a_folder_of_other_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("")
    config = SparseLabelsConfig(labels=(str(tmp_path),))
    with pytest.raises(ValueError, match="no sparse labels in the folder; PNG, JSON or XML files"):
        with_given_labels(Records.from_rows([], CATEGORIES), config, Problems())
