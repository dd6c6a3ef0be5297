"""Labels from nothing: without a model, people point and draw."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ray_wssis import masks
from ray_wssis.data.coco.read import read_coco
from tests.support.page import Page, click, drag, expect, place_of

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


def test_an_object_is_cut_in_two_and_merged_again(page: Page, queue_folder: Path) -> None:
    page.keyboard.press("l")
    drag(page, *SQUARE)
    [whole] = saved(page, queue_folder)
    page.keyboard.press("t")
    drag(page, (55, 20), (55, 40))  # ends inside
    expect(page.locator("#message")).to_contain_text("from side to side")
    drag(page, (55, 20), (55, 100))
    left, right = saved(page, queue_folder)
    assert shape(left.mask)[60].nonzero()[0][[0, -1]].tolist() == pytest.approx([20, 54], abs=1)
    assert shape(right.mask)[60].nonzero()[0][[0, -1]].tolist() == pytest.approx([55, 79], abs=1)
    assert (shape(left.mask) ^ shape(right.mask) == shape(whole.mask)).all()

    x, y = place_of(page, 70, 60)
    page.locator("#canvas").hover(position={"x": x, "y": y})
    page.keyboard.press("m")
    [merged] = saved(page, queue_folder)
    assert merged.mask == whole.mask
    for _ in range(2):
        page.keyboard.press("u")
    assert [obj.mask for obj in saved(page, queue_folder)] == [whole.mask]


def test_the_part_with_the_point_stays_the_object(page: Page, queue_folder: Path) -> None:
    click(page, 70, 60)
    page.keyboard.press("l")
    drag(page, *SQUARE)
    page.keyboard.press("t")
    drag(page, (55, 20), (55, 100))
    right, left = saved(page, queue_folder)
    assert right.point == pytest.approx((70, 60), abs=0.2)
    assert shape(right.mask)[60, 70]
    assert left.point is None


def test_vertices_are_moved_added_and_removed(page: Page, queue_folder: Path) -> None:
    page.keyboard.press("l")
    drag(page, *SQUARE)
    [square] = saved(page, queue_folder)
    page.keyboard.press("p")
    drag(page, (20, 30), (5, 10))  # a corner
    [moved] = saved(page, queue_folder)
    assert shape(moved.mask)[14, 10]
    assert (shape(moved.mask) | ~shape(square.mask)).all()
    drag(page, (80, 60), (110, 60))  # a side
    [pulled] = saved(page, queue_folder)
    assert shape(pulled.mask)[60, 100]
    x, y = place_of(page, 110, 60)
    page.locator("#canvas").click(position={"x": x, "y": y}, modifiers=["Shift"])
    [without] = saved(page, queue_folder)
    assert (shape(without.mask) != shape(moved.mask)).sum() <= 60  # a side, a pixel off at most
    for _ in range(3):
        page.keyboard.press("u")
    assert [obj.mask for obj in saved(page, queue_folder)] == [square.mask]


def test_strokes_are_drawn_and_vertices_moved_by_keys(page: Page, queue_folder: Path) -> None:
    page.keyboard.press("x")  # the crosshair, in the middle
    for key in ("b", "Enter", *["ArrowRight"] * 4, "Enter"):
        page.keyboard.press(key)
    [stroke] = saved(page, queue_folder)
    row = shape(stroke.mask)[80].nonzero()[0]
    assert row[0] == pytest.approx(80, abs=4)
    assert row[-1] - row[0] > 10
    assert shape(stroke.mask)[80, row[0] : row[-1] + 1].all()


def test_suggestions_of_a_file_are_accepted_with_their_points(
    empty: Page, suggesting: str, queue_folder: Path
) -> None:
    empty.goto(suggesting)
    expect(empty.locator("#found li")).to_have_count(2)  # the third is below the threshold
    empty.locator("#found .line").first.dblclick()
    expect(empty.locator("#objects li")).to_have_count(1)
    expect(empty.locator("#found li")).to_have_count(1)
    expect(empty.locator("#saved")).to_have_text("all saved")
    file = queue_folder / "accepted.json"
    [record] = read_coco(str(file), "")
    [obj] = record.objects
    wanted = np.zeros((160, 160), dtype=bool)
    wanted[20:50, 20:50] = True
    assert obj.mask is not None
    assert (shape(obj.mask) == wanted).all()
    assert (obj.point, obj.label) == ((30.5, 30.5), 1)
    assert json.loads(file.read_text())["annotations"][0]["score"] == 0.9

    empty.reload()
    expect(empty.locator("#objects li")).to_have_count(1)
    expect(empty.locator("#found li")).to_have_count(1)
    empty.keyboard.press("d")  # the second is no object, and the image is done
    expect(empty.locator("#name")).to_contain_text("2 of 8")
    expect(empty.locator("#found li")).to_have_count(0)
    expect(empty.locator("#saved")).to_have_text("all saved")
    assert len(json.loads(file.read_text())["annotations"]) == 1
