import base64
import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from wssis_serve.http.answers import (
    coco_answer,
    in_box,
    outlines,
    png,
    points_answer,
    segment_answer,
)
from wssis_serve.http.schemas import MaskFormat
from wssis_serve.segmented import ImageInfo, Instance, ModelName, Segmented

from ray_wssis.data.records import Category
from ray_wssis.masks import bounding_box, encode, from_polygons, iou

MASK = np.zeros((6, 8), bool)
MASK[1:4, 2:7] = True
MASK[2, 4] = False  # a hole


def answer(*instances: Instance) -> Segmented:
    return Segmented(
        model=ModelName(name="student", hash="0123456789ab"),
        image=ImageInfo(id="x", width=8, height=6),
        categories=(Category(id=3, name="ring"), Category(id=9, name="disc")),
        instances=list(instances),
    )


FOUND = answer(Instance(label=1, score=0.123456, mask=encode(MASK)))


def test_an_instance_says_its_class_score_box_and_area() -> None:
    (instance,) = segment_answer(FOUND, MaskFormat.RLE).model_dump(exclude_unset=True)["instances"]
    counts = encode(MASK).decode()
    assert instance == {
        "category_id": 9,
        "class": "disc",
        "score": 0.1235,
        "bbox": (2, 1, 5, 3),
        "area": 14,
        "rle": {"size": (6, 8), "counts": counts},
    }


def test_a_png_covers_the_box() -> None:
    (instance,) = segment_answer(FOUND, MaskFormat.PNG).instances
    image = Image.open(io.BytesIO(base64.b64decode(instance.png or "")))
    assert image.mode == "1"
    assert np.array_equal(np.asarray(image), MASK[1:4, 2:7])


def test_polygons_go_around_the_outside() -> None:
    (instance,) = segment_answer(FOUND, MaskFormat.POLYGON).instances
    assert instance.polygons is not None
    filled = MASK.copy()
    filled[2, 4] = True
    assert iou(from_polygons(instance.polygons, 6, 8), encode(filled), 6, 8) == 1


@given(st.integers(0, 2**32 - 1))
def test_polygons_hold_the_pixels_of_any_mask_without_holes(seed: int) -> None:
    dice = np.random.default_rng(seed)
    mask = np.zeros((40, 50), bool)
    for _ in range(3):
        x, y, w, h = dice.integers(0, 20, 4)
        mask[y : y + h + 1, x : x + w + 1] = True
    counts = encode(mask)
    polygons = outlines(counts, bounding_box(counts, 40, 50), 40)
    assert iou(from_polygons(polygons, 40, 50), counts, 40, 50) > 0.99


@given(st.integers(0, 2**32 - 1))
def test_the_box_of_any_mask_is_cut_out(seed: int) -> None:
    mask = np.random.default_rng(seed).random((9, 7)) < 0.2
    mask[3, 2] = True
    counts = encode(mask)
    x0, y0, x1, y1 = box = bounding_box(counts, 9, 7)
    assert np.array_equal(in_box(counts, box, 9), mask[y0:y1, x0:x1])


def test_a_png_of_a_large_image_is_small() -> None:
    large = np.zeros((3000, 4000), bool)
    large[10:20, 30:50] = True
    counts = encode(large)
    assert len(png(counts, bounding_box(counts, 3000, 4000), 3000)) < 200


def test_a_point_without_a_mask_keeps_its_place() -> None:
    drawn = answer(
        Instance(label=0, score=0.0, mask=None, point=(1.0, 2.0), flags=["empty"]),
        Instance(label=1, score=0.9, mask=encode(MASK), point=(3.5, 1.5), expected_iou=0.712345),
    )
    first, second = points_answer(drawn, MaskFormat.RLE).instances
    assert (first.bbox, first.area, first.rle, first.score) == (None, 0, None, 0)
    assert (first.point, first.flags, first.expected_iou) == ((1, 2), ["empty"], None)
    assert (second.expected_iou, second.area) == (0.7123, 14)


def test_a_coco_file_can_be_read_as_one(tmp_path: pytest.TempPathFactory) -> None:
    file = coco_answer(FOUND, "a.jpg")
    assert file["images"] == [{"id": 1, "file_name": "a.jpg", "width": 8, "height": 6}]
    assert file["categories"] == [{"id": 3, "name": "ring"}, {"id": 9, "name": "disc"}]
    (annotation,) = file["annotations"]
    assert (annotation["category_id"], annotation["score"]) == (9, 0.1235)
    assert annotation["segmentation"] == {"size": [6, 8], "counts": encode(MASK).decode()}
