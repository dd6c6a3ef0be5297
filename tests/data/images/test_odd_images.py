"""Odd and broken image files, all together: each is read or named once, and none stops the rest."""

import json
from collections import Counter
from pathlib import Path

import pytest

from ray_wssis.data.check.coco import check_file
from ray_wssis.data.coco.read import read_coco, records_from_coco
from ray_wssis.data.images.read import ImageError, read_image, read_size
from ray_wssis.data.images.shared import warn_of_shared_images
from tests.support.odd_images import SIZE, Odd, coco_of, write_odd_images

# Pillow warns of damaged metadata and of large images.
pytestmark = pytest.mark.filterwarnings(
    "ignore:::PIL", "ignore::PIL.Image.DecompressionBombWarning"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("odd") / "images"


@pytest.fixture(scope="module")
def odd(folder: Path) -> list[Odd]:
    return write_odd_images(folder)


def test_there_are_enough(odd: list[Odd]) -> None:
    assert len(odd) >= 200
    assert len({each.kind for each in odd}) >= 40
    assert sum(each.good for each in odd) > 80


def test_each_is_an_image_or_an_image_error(folder: Path, odd: list[Odd]) -> None:
    wrong = []
    for each in odd:
        try:
            good = read_image(f"{folder}/{each.name}", SIZE).shape == (*SIZE, 3)
        except ImageError as error:
            good = False
            assert str(error).startswith(f"{folder}/") and error.found and error.wanted
        if good != each.good:
            wrong.append(each)
    assert not wrong


def test_sizes_are_read_or_an_image_error_too(folder: Path, odd: list[Odd]) -> None:
    for each in odd:
        try:
            assert read_size(f"{folder}/{each.name}", SIZE) == SIZE
        except ImageError:
            assert not each.good


def test_check_names_each_bad_image_once(folder: Path, odd: list[Odd]) -> None:
    file = folder.parent / "odd.json"
    file.write_text(json.dumps(coco_of(odd)))
    named = Counter(
        int(problem.where.split()[1])
        for problem in check_file(str(file), str(folder))
        if problem.severity == "error"
    )
    assert named == {number: 1 for number, each in enumerate(odd) if not each.good}


def test_reading_the_annotations_finds_every_file(folder: Path, odd: list[Odd]) -> None:
    file = folder.parent / "names.json"
    file.write_text(json.dumps(coco_of(odd)))
    for record, each in zip(read_coco(str(file), str(folder)), odd, strict=True):
        assert record.file == f"{folder}/{each.name}"


def test_parts_that_share_odd_images_are_compared_without_waiting(
    folder: Path, odd: list[Odd], caplog: pytest.LogCaptureFixture
) -> None:
    records = records_from_coco(coco_of(odd), str(folder))
    warn_of_shared_images({"strong": records, "weak": records})
    assert "weak images are strong images too" in caplog.text
