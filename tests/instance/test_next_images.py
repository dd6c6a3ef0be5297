"""The images to label next: poor masks first, and no two images that look alike."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from upath import UPath
from wssis_serve.labelling.queue import Queue

from ray_wssis.artifacts import Artifact, Workspace, open_stage
from ray_wssis.data.coco.file import load_json
from ray_wssis.data.coco.read import read_coco
from ray_wssis.data.records import Records
from ray_wssis.instance.area_prior import AreaPrior
from ray_wssis.instance.next_images import (
    Look,
    Thumbnail,
    choose,
    gain_of,
    names_of,
    next_images,
    write_next,
)
from ray_wssis.instance.quality import QualityModel
from ray_wssis.instance.split import WEAK_TRUTH
from tests.support.drawn_labels import failed_row, label_row, write_rows


def plain(red: int, green: int, blue: int) -> Thumbnail:
    return np.full((16, 16, 3), (red, green, blue), np.uint8)


def test_a_mask_that_is_missing_lacks_everything() -> None:
    row = {"area": [10, 0, 10], "refined_score": [0.5, 0.5, 0.6]}
    assert gain_of(row, [0.9, None, None]) == pytest.approx((0.1 + 1 + 0.4) / 4)


def test_an_image_like_one_before_is_passed_over() -> None:
    look = Look.of([plain(200, 0, 0), plain(201, 1, 0), plain(0, 200, 0), plain(0, 0, 200)])
    gains, none = np.array([0.9, 0.8, 0.5, 0.6]), np.zeros(4, np.bool_)
    assert choose(gains, none, look, 2)[0] == 0
    assert sorted(choose(gains, none, look, 10)) == [0, 2, 3]
    assert choose(gains, none, look, 0) == []


def test_an_image_like_one_with_masks_is_passed_over() -> None:
    look = Look.of([plain(200, 0, 0), plain(0, 200, 0), plain(201, 1, 0)])
    strong = np.array([False, False, True])
    assert choose(np.array([0.9, 0.1, 0.0]), strong, look, 5) == [1]


def test_nothing_to_choose_from() -> None:
    assert choose(np.zeros(0), np.zeros(0, np.bool_), Look.of([]), 5) == []


@pytest.fixture
def labels(tmp_path: Path, data: Artifact) -> Artifact:
    stage = open_stage(tmp_path / "labels", {"by": "hand"})
    assert isinstance(stage, Workspace)
    *drawn, failed = list(Records.read(data / WEAK_TRUTH))
    rows = [*map(label_row, drawn), failed_row(failed, "gone")]
    write_rows(rows, stage / "rows/0.parquet")
    return stage.finish()


def test_the_file_is_a_coco_file_of_pseudo_masks(
    data: Artifact, labels: Artifact, tmp_path: Path
) -> None:
    prior = AreaPrior(mean=6.0, spread=1.0, means={}, spreads={})
    model = QualityModel(signals=("refined_score",), prior=prior, regression=None)
    chosen = next_images(data, labels, model, number=3)
    assert len(chosen) == 3
    categories = Records.read(data / WEAK_TRUTH).categories
    folder = UPath(tmp_path / "next")
    write_next(folder, chosen, categories, model.masks)
    read = read_coco(folder / "labels.json", folder, point_suffices=True)
    assert read.categories == categories
    assert [record.image_id for record in read] == [each.row["image_id"] for each in chosen]
    for record, each in zip(read, chosen, strict=True):
        assert [obj.mask for obj in record.objects] == each.row["refined"]
        assert UPath(record.file).read_bytes() == UPath(each.row["file"]).read_bytes()
    ranks = [each["rank"] for each in load_json(folder / "labels.json")["annotations"]]
    assert ranks == sorted(ranks) and set(ranks) == {1, 2, 3}
    seen = Queue(str(folder), None, categories).overview()["images"]  # on the page of the endpoint
    assert [image["state"] for image in seen] == ["open"] * 3
    assert sum(image["num_labels"] for image in seen) == len(ranks)


def test_copies_keep_their_names_and_none_is_overwritten() -> None:
    files = ["s3://b/a/1.png", "s3://b/c/1.png", "/d/2.png", "/e/1.png"]
    assert names_of(files) == ["1.png", "2/1.png", "2.png", "3/1.png"]


def test_images_that_are_gone_are_not_chosen(data: Artifact, labels: Artifact) -> None:
    prior = AreaPrior(mean=6.0, spread=1.0, means={}, spreads={})
    model = QualityModel(signals=("refined_score",), prior=prior, regression=None)
    chosen = next_images(data, labels, model, number=9)
    gone = UPath(chosen[0].row["file"])
    pixels = gone.read_bytes()
    gone.unlink()
    try:
        again = next_images(data, labels, model, number=9)
    finally:
        gone.write_bytes(pixels)
    assert cv2.imread(str(gone)) is not None
    assert {each.row["file"] for each in again} == {each.row["file"] for each in chosen[1:]}
