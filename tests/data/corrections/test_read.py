"""Tests of ray_wssis.data.corrections.read."""

import json
from pathlib import Path

import numpy as np
import pytest

from ray_wssis import masks
from ray_wssis.data.coco.read import records_from_coco
from ray_wssis.data.corrections.read import Correction, read_corrections
from ray_wssis.data.records import Records
from tests.support.correction_files import (
    BASE,
    LEFT,
    MIDDLE,
    RIGHT,
    Entry,
    coco,
    drawn,
    merged,
    rle,
)

POINT_KEYS = ("id", "image_id", "category_id", "point")
SMALL_RLE = {"size": [3, 6], "counts": masks.encode(np.ones((3, 6))).decode()}
EMPTY_RLE = rle(masks.encode(np.zeros((4, 6))))
WRONG = [
    (
        coco(drawn(1, LEFT, image=6)),
        "annotation 1: found in image 6, .* with this id is in image 5",
    ),
    (coco(drawn(1, LEFT), drawn(1, RIGHT)), "annotation 1: the id occurs twice"),
    (coco(drawn(8, LEFT, image=7)), "annotation 8: there is no image 7"),
    (
        coco(drawn(1, LEFT, category_id=3)),
        r"annotation 1 \(image 5\): .*no category 3.*known are 2",
    ),
    (coco(drawn(1, LEFT, segmentation=SMALL_RLE)), r"annotation 1 .*\[3, 6\].* is \[4, 6\]"),
    (coco(drawn(1, LEFT, segmentation=EMPTY_RLE)), "annotation 1 .*the mask is empty"),
    (coco(drawn(1, LEFT, segmentation=[])), "annotation 1 .*no segmentation"),
    (coco(drawn(1, LEFT, segmentation=[[1, 2, 3]])), "annotation 1 .*3 numbers"),
    (coco(categories=[{"id": 9, "name": "cat"}]), "category 9 is 'cat', in .* it is 'dog'"),
    (
        coco(drawn(1, LEFT), images=[{"id": 5, "file_name": "b/6.png"}]),
        r"image 5 is b/6\.png, in .*5\.png",
    ),
    (
        coco(drawn(1, LEFT), images=[{"id": 5, "file_name": "b/5.png", "width": 3, "height": 2}]),
        "image 5 is 3 x 2 pixels, in .* 6 x 4",
    ),
]


@pytest.mark.parametrize(("correction", "complaint"), WRONG)
def test_a_correction_of_something_else_is_named(
    tmp_path: Path, correction: Entry, complaint: str
) -> None:
    with pytest.raises(ValueError, match=rf"1\.json: {complaint}"):
        merged(tmp_path, correction)
    assert not (tmp_path / "o.json").exists()
    with pytest.raises(ValueError, match=rf"1\.json: {complaint}"):
        read_corrections([str(tmp_path / "1.json")], weak())


@pytest.mark.parametrize("key", ["id", "image_id"])
def test_an_annotation_without_numbers_is_named_with_its_file(tmp_path: Path, key: str) -> None:
    entry = drawn(1, LEFT)
    del entry[key]
    with pytest.raises(ValueError, match=rf"1\.json: .*annotation.*`{key}` is missing"):
        merged(tmp_path, coco(entry))
    with pytest.raises(ValueError, match=rf"1\.json: .*annotation.*`{key}` is missing"):
        read_corrections([str(tmp_path / "1.json")], weak())


def weak() -> Records:
    """The same images with points only, and one more that nobody corrects."""
    points = [{key: entry[key] for key in POINT_KEYS} for entry in BASE["annotations"]]
    extra = {"id": 4, "file_name": "4.png", "width": 2, "height": 2}
    other = {"id": 9, "image_id": 4, "category_id": 2, "point": [1, 1]}
    data = coco(*points, other, images=[extra, *BASE["images"]])
    return records_from_coco(data, "/images")


def test_corrections_of_weak_images_are_found_by_image_and_annotation(tmp_path: Path) -> None:
    earlier = coco(drawn(1, LEFT), drawn(2, LEFT), drawn(8, LEFT, image=6, category_id=2))
    later = coco(
        {"id": 2, "image_id": 5, "deleted": True},
        {"id": 10, "image_id": 5, "deleted": True},  # nobody knows of it
        drawn(1, MIDDLE, category_id=2, corrected=True),
    )
    files = []
    for i, data in enumerate([earlier, later]):
        files.append(str(tmp_path / f"{i}.json"))
        Path(files[-1]).write_text(json.dumps(data))
    found = read_corrections(files, weak())
    assert {image: [*numbers] for image, numbers in found.items()} == {5: [1, 2], 6: [8]}
    assert found[5][2].deleted and not found[5][1].deleted
    assert found[5][1] == Correction(image_id=5, label=0, mask=MIDDLE, crowd=False, confirmed=True)
    assert found[6][8] == Correction(image_id=6, label=0, mask=LEFT, crowd=False, confirmed=False)


def test_a_correction_knows_whether_it_says_anything_new() -> None:
    same = Correction(image_id=5, label=1, mask=LEFT, crowd=False, confirmed=False)
    assert not same.corrects(1, LEFT)
    assert same.corrects(0, LEFT) and same.corrects(1, RIGHT) and same.corrects(1, None)
    confirmed = Correction(image_id=5, label=1, mask=LEFT, crowd=False, confirmed=True)
    assert confirmed.corrects(1, LEFT)


def test_without_corrections_there_are_none() -> None:
    assert read_corrections([], weak()) == {}
