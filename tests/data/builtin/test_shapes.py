"""Tests of ray_wssis.data.builtin.shapes."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from ray_wssis import masks
from ray_wssis.data.builtin.shapes import SHAPES, draw_image, write_shapes
from ray_wssis.data.coco.read import read_coco
from ray_wssis.data.images.read import read_image
from ray_wssis.data.records import Records


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shapes")
    write_shapes(str(folder), 60, seed=0)
    return folder


@pytest.fixture(scope="module")
def records(folder: Path) -> Records:
    return read_coco(str(folder / "annotations" / "instances.json"), str(folder / "images"))


def digest(folder: Path) -> str:
    """Of all file names and bytes."""
    total = hashlib.sha256()
    for file in sorted(folder.rglob("*.*")):
        total.update(str(file.relative_to(folder)).encode() + file.read_bytes())
    return total.hexdigest()


def test_a_seed_gives_these_bytes_on_every_machine(tmp_path: Path) -> None:
    write_shapes(str(tmp_path), 8, seed=0)
    assert digest(tmp_path) == "437520e78a0f79e832785e33ab6c736101d4071164855bb4c2e39bf6dd096aa2"


def test_another_seed_gives_other_images() -> None:
    assert (draw_image(0, 0, 64)[0] != draw_image(0, 1, 64)[0]).any()


def test_fewer_images_are_the_first_ones(folder: Path, tmp_path: Path) -> None:
    few = read_coco(write_shapes(str(tmp_path), 5, seed=0), "")
    many = read_coco(str(folder / "annotations" / "instances.json"), "")
    assert list(few) == list(many)[:5]
    for row in few:
        assert (tmp_path / "images" / row.file).read_bytes() == (
            folder / "images" / row.file
        ).read_bytes()


def test_every_class_is_there_and_one_to_eight_objects_an_image(records: Records) -> None:
    counts = {len(row.objects) for row in records}
    assert min(counts) == 1 and max(counts) == 8
    assert {obj.label for row in records for obj in row.objects} == set(range(len(SHAPES)))


def test_sizes_range_over_a_factor_of_six(records: Records) -> None:
    sides = []
    for row in records:
        for obj in row.objects:
            assert obj.mask is not None
            x0, y0, x1, y1 = masks.bounding_box(obj.mask, row.height, row.width)
            sides.append(max(x1 - x0, y1 - y0))
    assert max(sides) >= 6 * min(sides)


def test_no_pixel_belongs_to_two_objects_and_no_object_is_nearly_hidden(records: Records) -> None:
    for row in records:
        layers = np.stack(
            [masks.decode(obj.mask, 128, 128) for obj in row.objects if obj.mask is not None]
        )
        assert layers.sum(0).max() == 1
        assert layers.sum((1, 2)).min() >= 15


def test_a_ring_has_a_hole() -> None:
    v, u = np.mgrid[-1:1:41j, -1:1:41j]
    ring = SHAPES["ring"](u, v)
    assert not ring[20, 20]
    assert ring[20, 34] and ring[6, 20]


@pytest.mark.parametrize("name", SHAPES)
def test_a_shape_stays_within_its_frame(name: str) -> None:
    v, u = np.mgrid[-2:2:161j, -2:2:161j]
    inside = SHAPES[name](u, v)
    assert 0.15 < inside.mean() * 16 / np.pi < 1.01  # part of the circle of radius 1
    assert np.hypot(u, v)[inside].max() < 1.08


def test_colour_does_not_tell_the_class(records: Records) -> None:
    """The mean colours of the classes differ by less than objects of one class do."""
    colours: dict[int, list[np.ndarray]] = {}
    for row in records:
        image = read_image(row.file, (128, 128))
        for obj in row.objects:
            assert obj.mask is not None
            inside = masks.decode(obj.mask, 128, 128)
            colours.setdefault(obj.label, []).append(image[inside].mean(0))
    means = np.array([np.mean(found, 0) for found in colours.values()])
    spread = np.mean([np.std(found, 0) for found in colours.values()])
    assert means.std(0).max() < spread / 2


@pytest.mark.parametrize(("num_images", "size"), [(0, 128), (1, 32)])
def test_sizes_that_make_no_sense_are_refused(tmp_path: Path, num_images: int, size: int) -> None:
    with pytest.raises(ValueError, match="at least"):
        write_shapes(str(tmp_path), num_images, seed=0, size=size)


def test_larger_images_hold_larger_shapes() -> None:
    image, record = draw_image(0, 0, 256)
    assert image.shape == (256, 256, 3)
    assert (record.height, record.width) == (256, 256)
