"""Labels from nothing: without a model, people point and draw."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ray_wssis import masks
from ray_wssis.data.coco.read import read_coco
from tests.support.page import Page, click, drag, expect

pytestmark = pytest.mark.slow

SQUARE = [(20, 30), (80, 30), (80, 90), (20, 90), (20, 30)]


@pytest.fixture
def page(empty: Page, from_nothing: str, queue_folder: Path) -> Page:
    """The page, with the first of eight images."""
    (queue_folder / "from_nothing.json").unlink(missing_ok=True)
    empty.goto(from_nothing)
    expect(empty.locator("#name")).to_contain_text("1 of 8")
    return empty


def saved(page: Page, folder: Path) -> list[Any]:
    """The objects of the only image in the file."""
    expect(page.locator("#saved")).to_have_text("all saved")
    [record] = read_coco(str(folder / "from_nothing.json"), "")
    return list(record.objects)


def shape(mask: bytes) -> Any:
    return masks.decode(mask, 160, 160)


def test_points_and_drawn_masks_are_saved_and_undone(page: Page, queue_folder: Path) -> None:
    expect(page.locator("#of-student")).to_be_hidden()
    page.keyboard.press("2")
    click(page, 120, 120)
    page.keyboard.press("Escape")
    page.keyboard.press("l")
    drag(page, *SQUARE)
    point, outlined = saved(page, queue_folder)
    assert point.point == pytest.approx((120, 120), abs=0.2)
    assert point.mask is None
    assert outlined.label == point.label == 1
    wanted = np.zeros((160, 160), dtype=bool)
    wanted[30:90, 20:80] = True
    assert (shape(outlined.mask) != wanted).sum() <= 240  # the edge may be a pixel off

    page.keyboard.press("v")  # take a stroke through its middle away
    drag(page, (10, 60), (90, 60))
    erased = shape(saved(page, queue_folder)[1].mask)
    assert not erased[59:61].any()
    assert erased[40:50, 30:70].all()
    page.keyboard.press("b")
    drag(page, (50, 50), (50, 70))
    assert shape(saved(page, queue_folder)[1].mask)[50:70, 50].all()

    for _ in range(2):
        page.keyboard.press("u")
    assert saved(page, queue_folder)[1] == outlined
    page.keyboard.press("r")
    assert (shape(saved(page, queue_folder)[1].mask) == erased).all()
    page.keyboard.press("v")
    for _ in range(20):
        page.keyboard.press("]")
    drag(page, (20, 50), (80, 50), (80, 75), (20, 75))
    assert [obj.point is None for obj in saved(page, queue_folder)] == [False]  # nothing is left
    page.keyboard.press("u")
    assert len(saved(page, queue_folder)) == 2


def test_a_mask_is_drawn_on_the_object_that_was_pointed_at(page: Page, queue_folder: Path) -> None:
    click(page, 50, 60)
    page.keyboard.press("b")
    drag(page, (45, 60), (55, 60))
    [obj] = saved(page, queue_folder)
    assert obj.point == pytest.approx((50, 60), abs=0.2)
    assert shape(obj.mask)[60, 50]
    page.reload()
    expect(page.locator("#objects li")).to_have_count(1)
    expect(page.locator("#objects")).to_contain_text("mask")
    data = json.loads((queue_folder / "from_nothing.json").read_text())
    assert "score" not in data["annotations"][0]
