"""Tests of ray_wssis.data.builtin.semantic_shapes."""

from pathlib import Path

import numpy as np
import pytest

from ray_wssis.data.builtin.semantic_shapes import NAMES, draw_image, write_semantic_shapes
from ray_wssis.data.class_maps.folder import read_folder
from ray_wssis.data.class_maps.png import decode, present
from ray_wssis.data.problem import Problems
from tests.data.builtin.test_shapes import digest


def test_a_seed_gives_these_bytes_on_every_machine(tmp_path: Path) -> None:
    write_semantic_shapes(tmp_path, 8, seed=0)
    assert digest(tmp_path) == "5affeb4cefb33954bdabe671aae5c2881fecad4e30b707d3d500b2b9c552aca3"


def test_another_seed_gives_other_images() -> None:
    assert (draw_image(0, 0, 64)[0] != draw_image(0, 1, 64)[0]).any()


def test_the_folder_is_one_of_class_maps(tmp_path: Path) -> None:
    root = write_semantic_shapes(tmp_path, 3, seed=5)
    problems = Problems()
    records = read_folder(root / "images", root / "class_maps", f"{root}/classes.txt", problems)
    assert not problems.found
    assert tuple(category.name for category in records.categories) == NAMES
    for index, record in enumerate(records):
        assert Path(record.file).name == f"{index + 1:06d}.png"
        assert record.class_map is not None
        assert (decode(record.class_map) == draw_image(index, 5, 64)[1]).all()


def test_a_pair_never_occurs_in_one_image() -> None:
    shown = [present(draw_image(index, 0, 64)[1]) for index in range(60)]
    assert all(labels[0] == 0 and 2 <= len(labels) <= 3 for labels in shown)
    assert not [labels for labels in shown if {1, 2} <= set(labels) or {3, 4} <= set(labels)]
    assert set().union(*shown) == {0, 1, 2, 3, 4}


def test_the_last_class_can_be_shown_ten_times_less_often() -> None:
    shown = [present(draw_image(index, 0, 64, frequency=0.1)[1]) for index in range(400)]
    often = [sum(label in labels for labels in shown) for label in (1, 2, 3, 4)]
    plain = sum(4 in present(draw_image(index, 0, 64)[1]) for index in range(400))
    assert often[3] == pytest.approx(plain / 10, abs=8)
    assert often[2] > plain > often[3] > 0


def test_most_of_an_image_is_background() -> None:
    maps = np.stack([draw_image(index, 0, 64)[1] for index in range(60)])
    assert 0.8 < (maps == 0).mean() < 0.95


@pytest.mark.parametrize(("num_images", "size"), [(0, 64), (1, 32)])
def test_sizes_that_make_no_sense_are_refused(tmp_path: Path, num_images: int, size: int) -> None:
    with pytest.raises(ValueError, match="at least"):
        write_semantic_shapes(tmp_path, num_images, seed=0, size=size)
