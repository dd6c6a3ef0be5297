"""Tests of ray_wssis.data.split.files."""

import hashlib
import json
import logging
from pathlib import Path

import pytest
from upath import UPath

from ray_wssis.data.builtin.shapes import write_shapes
from ray_wssis.data.coco.read import read_coco
from ray_wssis.data.split.files import split_file


@pytest.fixture(scope="module")
def annotations(tmp_path_factory: pytest.TempPathFactory) -> UPath:
    return write_shapes(str(tmp_path_factory.mktemp("shapes")), 12, seed=0, size=64)


def test_files_are_named_like_the_published_ones(annotations: UPath, tmp_path: Path) -> None:
    files = split_file(annotations, str(tmp_path), percent=25, seed=0, point_kind="random")
    assert {file.name for file in tmp_path.iterdir()} == {
        "instances_25p_s.json",
        "instances_25p_w.json",
        "instances_25p_split.json",
    }
    manifest = json.loads((tmp_path / "instances_25p_split.json").read_text())
    assert manifest == files.manifest
    assert (manifest["percent"], manifest["seed"], manifest["point_kind"]) == (25, 0, "random")
    for part, num_images in (("strong", 3), ("weak", 9)):
        written = (tmp_path / manifest[part]["file"]).read_bytes()
        assert manifest[part]["sha256"] == hashlib.sha256(written).hexdigest()
        assert manifest[part]["num_images"] == num_images
    assert manifest["input"]["sha256"] == hashlib.sha256(annotations.read_bytes()).hexdigest()


def test_a_weak_file_holds_nothing_of_the_masks(annotations: UPath, tmp_path: Path) -> None:
    files = split_file(annotations, str(tmp_path), percent=25, seed=0, point_kind="centroid")
    weak = json.loads(files.weak.read_text())["annotations"]
    assert {key for entry in weak for key in entry} == {
        "id",
        "image_id",
        "category_id",
        "iscrowd",
        "point",
    }
    strong = read_coco(files.strong, "")
    assert all(None not in (obj.mask, obj.point) for row in strong for obj in row.objects)


@pytest.mark.parametrize("kind", ["centroid", "random"])
def test_a_large_file_is_cut_as_a_small_one_is(
    annotations: UPath, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """A few records are held as they are, many in tables: the files are the same."""
    folders = {few: tmp_path / str(few) for few in (1000, 2, 5)}
    for few, folder in folders.items():
        monkeypatch.setattr("ray_wssis.data.records.FEW", few)
        monkeypatch.setattr("ray_wssis.data.coco.collected.HELD", few)
        split_file(annotations, str(folder), percent=25, seed=0, point_kind=kind)
    written = [
        {file.name: file.read_bytes() for file in folder.iterdir()} for folder in folders.values()
    ]
    assert written[0] == written[1] == written[2]


def test_half_a_percent_has_a_name_too(annotations: UPath, tmp_path: Path) -> None:
    files = split_file(annotations, str(tmp_path), percent=0.5, seed=0, point_kind="centroid")
    assert files.strong.name == "instances_0.5p_s.json"


def test_a_class_without_a_strong_mask_is_named(
    annotations: UPath, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        files = split_file(annotations, str(tmp_path), percent=1, seed=0, point_kind="centroid")
    untaught = files.manifest["classes_without_strong_mask"]
    assert untaught
    assert f"{len(untaught)} of 6 classes" in caplog.text
    assert untaught[0] in caplog.text
