"""Tests of ray_wssis.semantic.split_files."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ray_wssis.data.builtin.semantic_shapes import write_semantic_shapes
from ray_wssis.data.records import Records
from ray_wssis.data.sparse.config import SparseConfig, SparseLabelsConfig
from ray_wssis.data.sparse.kind import SparseKind
from ray_wssis.semantic.split import SPARSE, STRONG, VALIDATION, WEAK, WEAK_TRUTH, split
from ray_wssis.semantic.split_config import FolderConfig, SemanticDataConfig
from ray_wssis.semantic.split_files import split_sparse, split_tree
from tests.support.class_maps import write_cityscapes, write_voc
from tests.support.run_in import run_in


def test_a_run_reads_what_was_split(tmp_path: Path) -> None:
    root = write_semantic_shapes(tmp_path / "shapes", 20, seed=0)
    files = split_tree(root, tmp_path / "out", masks=6, seed=3, tag_noise=0.3)
    assert files.strong.name == "shapes_6_strong.txt"
    folder = FolderConfig(
        images=f"{root}/images", class_maps=f"{root}/class_maps", classes=f"{root}/classes.txt"
    )
    config = SemanticDataConfig(folder=folder, masks=6, tag_noise=0.3, audit=0)
    drawn = split(run_in(tmp_path / "drawn", seed=3), config)
    lists = {
        "masks": None,
        "tag_noise": 0,
        "strong": str(files.strong),
        "tags": str(files.tags),
        "validation": str(files.validation),
    }
    listed = split(run_in(tmp_path / "listed"), config.model_copy(update=lists))
    for part in (STRONG, WEAK, VALIDATION):
        assert list(Records.read(drawn / part)) == list(Records.read(listed / part))


def test_the_first_of_a_list_of_voc_are_strong(tmp_path: Path) -> None:
    root = write_voc(tmp_path / "voc", "312", "45", "67")
    files = split_tree(root, tmp_path / "out", masks=2, seed=0)
    assert files.strong.read_text().split() == [
        "JPEGImages/2007_000003.jpg",
        "JPEGImages/2007_000001.jpg",
    ]
    assert files.tags.read_text().splitlines()[:2] == [
        "file,tags",
        "JPEGImages/2007_000002.jpg,background;person",
    ]
    assert files.manifest["lists"]["trainaug.txt"]["num_lines"] == 5


def test_a_run_reads_the_sparse_labels_that_were_drawn(tmp_path: Path) -> None:
    root = write_semantic_shapes(tmp_path / "shapes", 10, seed=0)
    scribbles = SparseConfig(kind=SparseKind.SCRIBBLES, per_class=1)
    files = split_sparse(root, tmp_path / "out", sparse=scribbles, seed=3)
    assert files.maps.name == "shapes_scribbles"
    assert files.manifest["sparse"]["num_images"] == 8
    with pytest.raises(ValueError, match="shapes_scribbles exists, and old labels would stay"):
        split_sparse(root, tmp_path / "out", sparse=scribbles, seed=4)
    folder = FolderConfig(
        images=f"{root}/images", class_maps=f"{root}/class_maps", classes=f"{root}/classes.txt"
    )
    config = SemanticDataConfig(folder=folder, sparse=scribbles, audit=0)
    drawn = split(run_in(tmp_path / "drawn", seed=3), config)
    given = {
        "sparse": None,
        "sparse_labels": SparseLabelsConfig(labels=(str(files.maps),)),
        "validation": str(files.validation),
    }
    read = split(run_in(tmp_path / "read"), config.model_copy(update=given))
    for part in (SPARSE, VALIDATION, WEAK_TRUTH):
        assert list(Records.read(drawn / part)) == list(Records.read(read / part))


def test_sparse_maps_of_cityscapes_have_its_values(tmp_path: Path) -> None:
    train = ["ulm_000000_000019", "ulm_000001_000019"]
    root = write_cityscapes(tmp_path / "city", train, ["bonn_000000_000019"])
    clicks = SparseConfig(kind=SparseKind.CLICKS, per_class=1)
    files = split_sparse(root, tmp_path / "out", sparse=clicks, seed=0)
    file = files.maps / "leftImg8bit/train/ulm/ulm_000000_000019_leftImg8bit.png"
    assert np.unique(np.asarray(Image.open(str(file)))).tolist() == [7, 24, 255]
