"""A trained student tags images; its worker runs in this process."""

from pathlib import Path

import pytest
from upath import UPath

from ray_wssis.data.builtin.shapes import CATEGORIES, write_shapes
from ray_wssis.data.class_maps.tags import read_tags
from ray_wssis.data.images.folder import read_images
from ray_wssis.data.problem import Problems
from ray_wssis.instance.detections import IMAGES
from ray_wssis.recipes.tag import TAGS, TagConfig, tag
from ray_wssis.run import ROWS
from ray_wssis.streaming.table import read_rows
from tests.support.in_process import refuse_work, stream_here
from tests.support.tiny_run import write_run, write_semantic_run


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shapes")
    write_shapes(UPath(folder), 3, 0, 64)
    return folder / "images"


def test_tags_are_the_classes_of_sure_objects(
    tmp_path: Path, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, out = write_run(tmp_path / "run"), tmp_path / "tags"
    monkeypatch.setattr("ray_wssis.streaming.stream.stream", stream_here)
    made = tag(run, images, out, TagConfig(score=0.3))
    rows = read_rows(made / ROWS, source=UPath(IMAGES).stem)
    wanted = {
        row["image_id"]: {
            label for label, score in zip(row["label"], row["score"], strict=True) if score >= 0.3
        }
        for row in rows
    }
    assert any(wanted.values())
    problems = Problems()
    read = read_tags(str(made / TAGS), read_images(images, CATEGORIES, 1), problems)
    assert not problems.worst_first()
    assert {image: set(labels) for image, labels in read.items()} == {
        image: labels for image, labels in wanted.items() if labels
    }
    refuse_work(monkeypatch)
    assert tag(run, images, out, TagConfig(score=0.3)).digest == made.digest


def test_a_student_that_finds_nothing_is_said(
    tmp_path: Path, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ray_wssis.streaming.stream.stream", stream_here)
    with pytest.raises(ValueError, match=r"finds no object with a score of 1.0 in 3 images"):
        tag(write_run(tmp_path / "run"), images, tmp_path / "tags", TagConfig(score=1))


def test_a_student_of_class_maps_is_refused(tmp_path: Path, images: Path) -> None:
    with pytest.raises(ValueError, match="segmenter"):
        tag(write_semantic_run(tmp_path / "run"), images, tmp_path / "tags")
