"""Labels of another run, given to the weak images of this one."""

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from upath import UPath

from ray_wssis.artifacts import Artifact
from ray_wssis.data.class_maps.png import UNKNOWN, encode
from ray_wssis.data.records import Records
from ray_wssis.methods.lpl.first_labels import add_first_labels
from ray_wssis.run import Run
from ray_wssis.semantic.merge import PSEUDO_LABELS
from ray_wssis.semantic.split import WEAK, split
from ray_wssis.semantic.split_config import SemanticDataConfig, SemanticShapesConfig
from tests.support.run_in import run_in

SHAPES = SemanticShapesConfig(num_images=6, num_validation_images=2)
CONFIG = SemanticDataConfig(semantic_shapes=SHAPES, masks=2, audit=0)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return run_in(tmp_path / "run")


@pytest.fixture
def data(run: Run) -> Artifact:
    return split(run, CONFIG)


def write_labels(folder: Path, images: Records, label: int | None = None) -> None:
    """Write a run that labels all pixels of each image but the first row, as its last tag."""

    def painted(tags: tuple[int, ...]) -> bytes:
        class_map = np.full((64, 64), max(tags) if label is None else label, np.uint8)
        class_map[0] = UNKNOWN
        return encode(class_map)

    (folder / "merged").mkdir(parents=True)
    rows = [replace(record, class_map=painted(record.tags or (0,))) for record in images]
    Records.from_rows(rows, images.categories).write(UPath(folder) / "merged" / PSEUDO_LABELS)


def test_images_get_their_labels_and_others_none(
    tmp_path: Path, run: Run, data: Artifact, caplog: pytest.LogCaptureFixture
) -> None:
    weak = Records.read(data / WEAK)
    elsewhere = [replace(record, file=f"/else/{Path(record.file).name}") for record in weak]
    write_labels(tmp_path / "cam", Records.from_rows(elsewhere[:3], weak.categories))
    with caplog.at_level(logging.INFO):
        first = add_first_labels(run, data, str(tmp_path / "cam"))
    begun = Records.read(first / WEAK)
    assert [record.file for record in begun] == [record.file for record in weak]
    assert [record.class_map is None for record in begun] == [False, False, False, True]
    assert "3 of 4 images with tags begin with labels" in caplog.text


def test_a_run_without_labels_is_refused(tmp_path: Path, run: Run, data: Artifact) -> None:
    with pytest.raises(ValueError, match=r"has no merged/pseudo.parquet; give the folder of a run"):
        add_first_labels(run, data, str(tmp_path / "nothing"))


def test_labels_of_other_images_are_refused(tmp_path: Path, run: Run, data: Artifact) -> None:
    weak = Records.read(data / WEAK)
    moved = [replace(record, image_id=record.image_id + 100) for record in weak]
    write_labels(tmp_path / "cam", Records.from_rows(moved, weak.categories))
    with pytest.raises(ValueError, match="none of them is among the 4 images to learn from"):
        add_first_labels(run, data, str(tmp_path / "cam"))


def test_labels_against_the_tags_are_refused(tmp_path: Path, run: Run, data: Artifact) -> None:
    weak = Records.read(data / WEAK)
    absent = next(label for label in range(5) if label not in (weak[0].tags or ()))
    write_labels(tmp_path / "cam", weak, absent)
    with pytest.raises(ValueError, match=r"which is none of its tags; are these the same images"):
        add_first_labels(run, data, str(tmp_path / "cam"))
