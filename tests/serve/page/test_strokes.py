"""Strokes and tags from nothing: a folder of images, saved at once."""

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ray_wssis.data.class_maps.png import UNKNOWN
from tests.support.page import Page, drag, expect

pytestmark = pytest.mark.slow

FIRST = "0 ü#?"  # of the images, without its suffix


@pytest.fixture
def page(empty: Page, marking: str) -> Page:
    """The page, with the first of eight images, of which nothing is known."""
    empty.goto(marking)
    expect(empty.locator("#name")).to_contain_text("1 of 8")
    return empty


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    return tmp_path / "labels"


def saved(page: Page, labels: Path, stem: str = FIRST) -> Any:
    """The values of an image in its file; None without one."""
    expect(page.locator("#saved")).to_have_text("all saved")
    file = labels / f"class_maps/{stem}.png"
    return np.array(Image.open(file)) if file.exists() else None


def test_strokes_are_saved_erased_and_undone_also_after_a_reload(page: Page, labels: Path) -> None:
    page.keyboard.press("w")
    page.keyboard.press("2")
    drag(page, (20, 40), (120, 40))
    cats = saved(page, labels)
    assert cats.shape == (160, 160)
    assert (cats[40, 30:110] == 1).all()
    assert set(np.unique(cats)) == {1, UNKNOWN}
    expect(page.get_by_title("Draw this class").filter(has_text="drawn")).to_have_text(
        ["catdrawn2"]
    )
    page.keyboard.press("3")
    drag(page, (70, 20), (70, 60))
    both = saved(page, labels)
    assert both[40, 70] == 2
    page.keyboard.press("u")
    assert (saved(page, labels) == cats).all()
    page.keyboard.press("r")
    assert (saved(page, labels) == both).all()

    page.reload()
    expect(page.locator("#name")).to_contain_text("1 of 8")
    expect(page.locator("#images button").first).to_have_attribute(
        "aria-label", f"{FIRST}.png, 2 classes"
    )
    page.keyboard.press("e")
    drag(page, (20, 40), (120, 40))
    assert (saved(page, labels)[40, 30:110] == UNKNOWN).all()
    page.keyboard.press("u")  # to what was stored
    assert (saved(page, labels) == both).all()
    expect(page.locator("#undo")).to_be_disabled()
    for _ in range(10):
        page.keyboard.press("]")
    page.keyboard.press("e")
    drag(page, (10, 40), (150, 40))
    drag(page, (70, 10), (70, 80))
    assert saved(page, labels) is None


def test_digits_tick_tags_and_what_is_done_has_a_line(page: Page, labels: Path) -> None:
    page.keyboard.press("3")  # the page begins in the mode of tags
    expect(page.get_by_label("The image shows dog")).to_be_checked()
    page.keyboard.press("2")
    page.keyboard.press("2")
    expect(page.get_by_label("The image shows cat")).not_to_be_checked()
    page.keyboard.press("d")
    expect(page.locator("#name")).to_contain_text("2 of 8")
    page.get_by_label("The image shows cat").check()
    page.keyboard.press("Shift+N")
    expect(page.locator("#name")).to_contain_text("3 of 8")
    page.keyboard.press("d")
    expect(page.locator("#progress")).to_have_text("2 of 8 done, 1 skipped")
    expect(page.locator("#saved")).to_have_text("all saved")
    assert (labels / "tags.csv").read_text() == "0 ü#?.png,dog\n2 ü#?.png,\n"

    page.reload()
    expect(page.locator("#name")).to_contain_text("4 of 8")
    page.locator("#images button").nth(1).click()
    expect(page.get_by_label("The image shows cat")).to_be_checked()
    page.keyboard.press("d")
    expect(page.locator("#progress")).to_have_text("3 of 8 done")
    expect(page.locator("#saved")).to_have_text("all saved")
    assert "1 ü#?.png,cat\n" in (labels / "tags.csv").read_text()


def test_two_people_do_not_overwrite_each_other(page: Page, marking: str, labels: Path) -> None:
    other = page.context.new_page()
    other.goto(marking)
    for each in (page, other):
        expect(each.locator("#name")).to_contain_text("of 8")
        each.locator("#images button").nth(5).click()
        expect(each.locator("#name")).to_contain_text("6 of 8")
        each.keyboard.press("w")
    page.keyboard.press("2")
    drag(page, (20, 40), (120, 40))
    mine = saved(page, labels, "5 ü#?")
    other.keyboard.press("3")
    drag(other, (20, 100), (120, 100))
    expect(other.locator("#conflict-text")).to_contain_text("was saved by another window")
    expect(other.locator("#take-theirs")).to_have_text("Take theirs (1 class)")
    other.locator("#take-theirs").click()
    assert (saved(other, labels, "5 ü#?") == mine).all()
    drag(other, (20, 100), (120, 100))
    assert set(np.unique(saved(other, labels, "5 ü#?"))) == {1, 2, UNKNOWN}
    other.close()


def test_what_the_server_does_not_get_is_kept_by_the_browser(page: Page, labels: Path) -> None:
    page.locator("#images button").nth(6).click()
    expect(page.locator("#name")).to_contain_text("7 of 8")
    page.route("**/v1/queue/strokes/**", lambda route: route.abort())
    page.keyboard.press("w")
    page.keyboard.press("2")
    drag(page, (20, 40), (120, 40))
    expect(page.locator("#message")).to_contain_text("not saved yet, kept in this browser")
    page.unroute("**/v1/queue/strokes/**")
    page.reload()
    expect(page.locator("#name")).to_contain_text("of 8")
    drawn = saved(page, labels, "6 ü#?")
    assert (drawn[40, 30:110] == 1).all()


def test_a_student_draws_below_the_strokes(
    empty: Page, mapped_queue: str, queue_folder: Path
) -> None:
    labels = queue_folder.parent / "mapped"
    empty.goto(mapped_queue)
    expect(empty.locator("#num-classes")).to_contain_text("shown")
    empty.keyboard.press("w")
    empty.keyboard.press("3")
    drag(empty, (20, 40), (120, 40))
    drawn = saved(empty, labels)
    assert (labels / "classes.txt").read_text().splitlines()[2].endswith(",dog")
    assert len(np.unique(drawn)) == 2
    expect(empty.locator("#progress")).to_have_text("0 of 8 done")


def test_the_archive_is_the_files_of_the_server(page: Page, labels: Path, tmp_path: Path) -> None:
    page.keyboard.press("2")
    page.keyboard.press("d")
    with page.expect_download() as download:
        page.keyboard.press("s")
    download.value.save_as(tmp_path / "class_maps.zip")
    with zipfile.ZipFile(tmp_path / "class_maps.zip") as archive:
        assert (
            archive.read("tags.csv")
            == b"0 \xc3\xbc#?.png,cat\n"
            == (labels / "tags.csv").read_bytes()
        )
