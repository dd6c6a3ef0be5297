"""Tests of ray_wssis.data.coco.images and .image_sizes, and of what the check says of them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ray_wssis.data.check.coco import check_coco
from ray_wssis.data.coco.images import image_name
from ray_wssis.data.coco.read import read_coco, records_from_coco
from ray_wssis.data.split.files import split_file
from tests.support.drawn_objects import HEIGHT, WIDTH, drawn

NO_SIZES: list[dict[str, Any]] = [
    {"width": -1, "height": -1},
    {"width": 0, "height": 0},
    {"width": None, "height": HEIGHT},
    {"width": "", "height": "-1"},
    {},
]


def images_in(folder: Path) -> str:
    noise = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    for i in range(4):
        Image.fromarray(noise).save(folder / f"{i}.png")
    return str(folder)


def with_image(number: int, **values: Any) -> dict[str, Any]:
    """The drawn file with another entry of an image."""
    data = drawn()
    data["images"][number - 1] = {"id": number} | values
    return data


@pytest.mark.parametrize(
    ("entry", "name"),
    [
        ({"file_name": "a/b.png", "coco_url": "http://x/c.png"}, "a/b.png"),
        ({"coco_url": "http://images.cocodataset.org/train2017/001.png"}, "001.png"),
        ({"coco_url": "http://x/a%20b.png?size=1", "file_name": ""}, "a b.png"),
        ({"flickr_url": "http://x/c.png"}, None),
        ({"coco_url": "http://x/"}, None),
        ({"coco_url": 3}, None),
        (3, None),
    ],
)
def test_the_name_is_given_or_the_end_of_coco_url(entry: Any, name: str | None) -> None:
    assert image_name(entry) == name


def test_a_file_with_addresses_only_is_read_and_checked(tmp_path: Path) -> None:
    data = drawn()
    for image in data["images"]:
        image["coco_url"] = f"http://images.cocodataset.org/train2017/{image.pop('file_name')}"
    folder = images_in(tmp_path)
    assert [record.file for record in records_from_coco(data, folder)] == [
        f"{folder}/{i}.png" for i in range(4)
    ]
    (found,) = check_coco(data, folder)
    assert (found.severity, found.kind) == ("info", "named by coco_url")


@pytest.mark.parametrize("size", NO_SIZES)
def test_missing_sizes_come_from_the_images(tmp_path: Path, size: dict[str, Any]) -> None:
    data = with_image(2, file_name="1.png", **size)
    data["images"][2] |= {"width": -1, "height": -1}
    folder = images_in(tmp_path)
    good = list(records_from_coco(drawn(), folder))
    assert list(records_from_coco(data, folder)) == good
    (found,) = [p for p in check_coco(data, folder) if p.kind != "numbers as text"]
    assert (found.severity, found.kind) == ("info", "sizes from images")
    assert found.found.startswith("2 of 4 images have no size: ")


@pytest.mark.parametrize("size", NO_SIZES)
def test_without_the_images_missing_sizes_are_one_error(size: dict[str, Any]) -> None:
    data = with_image(2, file_name="1.png", **size)
    data["images"][2] |= {"width": -1, "height": -1}
    (found,) = [p for p in check_coco(data) if p.severity != "info"]
    assert (found.severity, found.where) == ("error", "image 2 and others")
    assert found.found.startswith("2 of 4 images have no size: ")
    with pytest.raises(ValueError, match="image 2: "):
        records_from_coco(data, "")


def test_a_missing_size_of_a_missing_image_is_an_error(tmp_path: Path) -> None:
    data = with_image(2, file_name="nothing-like-it.png", width=-1, height=-1)
    folder = images_in(tmp_path)
    with pytest.raises(ValueError, match=r"image 2: width -1, height -1, and .*no such file"):
        records_from_coco(data, folder)
    errors = [p.found for p in check_coco(data, folder) if p.severity == "error"]
    assert errors[0] == "1 of 4 images have no size and no readable file"


def test_a_split_reads_missing_sizes_too(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_text(json.dumps(with_image(2, file_name="1.png", width=-1, height=-1)))
    options: dict[str, Any] = {"percent": 50, "seed": 0, "point_kind": "centroid"}
    with pytest.raises(ValueError, match="both must be positive"):
        split_file(str(file), str(tmp_path / "s"), **options)
    folder = images_in(tmp_path)
    files = split_file(str(file), str(tmp_path / "s"), images=folder, **options)
    names = [record.file for part in (files.strong, files.weak) for record in read_coco(part, "")]
    assert sorted(names) == [f"{i}.png" for i in range(4)]


def as_text(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    keys = ("id", "image_id", "category_id", "width", "height", "iscrowd")
    return [{k: str(v) if k in keys else v for k, v in entry.items()} for entry in entries]


def test_numbers_that_are_text_are_read_and_counted() -> None:
    data = {plural: as_text(entries) for plural, entries in drawn().items()}
    assert list(records_from_coco(data, "")) == list(records_from_coco(drawn(), ""))
    found = [(p.severity, p.kind, p.where) for p in check_coco(data)]
    assert found == [
        ("info", "numbers as text", "images"),
        ("info", "numbers as text", "annotations"),
        ("info", "numbers as text", "categories"),
    ]


@pytest.mark.parametrize("text", ["7", " 7 ", "007", "7.0", "7."])
def test_a_whole_number_may_be_text(text: str) -> None:
    data = drawn(lambda entry: {"id": text} if entry["id"] == 7 else {})
    ids = [obj.annotation_id for record in records_from_coco(data, "") for obj in record.objects]
    assert ids == [1, 2, 3, 4, 5, 6, 7, 8]


@pytest.mark.parametrize(
    "text", ["", "x", "7.5", "1e3", "0x7", "7 8", "9" * 30, "\N{ARABIC-INDIC DIGIT SEVEN}"]
)
def test_another_text_is_no_number(text: str) -> None:
    data = drawn(lambda entry: {"id": text} if entry["id"] == 7 else {})
    with pytest.raises(ValueError, match=r"`id` is '.*', it must"):
        records_from_coco(data, "")


@pytest.mark.parametrize("step", [1, -1])
def test_classes_off_by_one_are_refused_also_in_a_weak_file(step: int) -> None:
    data = drawn(lambda entry: {"category_id": entry["category_id"] + step})
    found = [p.found for p in check_coco(data) if p.kind == "classes off by one"]
    assert found[0].endswith("categories from 1 to 2: probably all are off by one")
    with pytest.raises(ValueError, match="probably all are off by one; `wssis data fix"):
        records_from_coco(data, "", rejected=[])


def test_one_unknown_class_is_not_an_offset() -> None:
    data = drawn(lambda entry: {"category_id": 3} if entry["id"] == 7 else {})
    assert {p.kind for p in check_coco(data)} == {"unknown category"}
