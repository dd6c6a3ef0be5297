"""The worst masks of a run in a browser: accept, fix, delete, next, by one key each."""

import json
from pathlib import Path

import pytest

from tests.support.page import Page, answer_from_before_a_save, drag, expect

pytestmark = pytest.mark.slow


def test_masks_are_judged_by_one_key_each(empty: Page, reviewing: str, reviewed: Path) -> None:
    page, name = empty, empty.locator("#name")
    page.goto(reviewing)
    listed = json.loads((reviewed / "audit/review.json").read_text())["annotations"]
    worst = [entry["id"] for entry in listed]
    expect(name).to_contain_text(f"1 of {len(worst)}")
    expect(page.locator("#objects")).to_contain_text("expected IoU 0.11 · ring")
    expect(page.locator("#of-student")).to_be_hidden()
    page.keyboard.press("d")
    expect(name).to_contain_text(f"2 of {len(worst)}")
    page.keyboard.press("Delete")
    expect(name).to_contain_text(f"3 of {len(worst)}")
    page.keyboard.press("0")  # all of the image
    page.keyboard.press("b")
    drag(page, (100, 20), (140, 20))
    page.keyboard.press("d")
    expect(name).to_contain_text(f"4 of {len(worst)}")
    expect(page.locator("#progress")).to_contain_text("3 of")
    expect(page.locator("#saved")).to_have_text("all saved")
    corrections = json.loads((reviewed / "corrections.json").read_text())["annotations"]
    accepted, deleted, fixed = corrections
    assert [entry["id"] for entry in corrections] == worst[:3]
    assert accepted["corrected"] is fixed["corrected"] is True
    assert accepted["segmentation"] == listed[0]["segmentation"]
    assert deleted["deleted"] is True
    assert fixed["area"] > listed[2]["area"]

    page.reload()
    expect(name).to_contain_text(f"4 of {len(worst)}")
    page.keyboard.press("ArrowLeft")
    expect(name).to_contain_text(f"3 of {len(worst)}")
    page.keyboard.press("Shift+D")  # not after all
    expect(page.locator("#progress")).to_contain_text("2 of")
    expect(page.locator("#saved")).to_have_text("all saved")
    corrections = json.loads((reviewed / "corrections.json").read_text())["annotations"]
    assert [entry["id"] for entry in corrections] == worst[:2]


def test_a_click_draws_the_mask_again(empty: Page, reviewing: str, reviewed: Path) -> None:
    empty.goto(reviewing)
    expect(empty.locator("#objects li")).to_have_count(1)
    with empty.expect_response("**/v1/segment/points") as drawn:
        empty.locator("#canvas").click()  # on the object, not a new one
    assert drawn.value.ok
    expect(empty.locator("#objects li")).to_have_count(1)
    expect(empty.locator("#objects")).not_to_contain_text("asking")


def test_an_answer_from_before_a_decision_does_not_undo_it(empty: Page, reviewing: str) -> None:
    empty.goto(reviewing)
    progress = empty.locator("#progress")
    expect(progress).to_contain_text(" of ")
    num_done = int(progress.inner_text().split()[0])
    answer_from_before_a_save(empty, asked="**/v1/review", saved="**/v1/review/*")
    with empty.expect_response("**/v1/review"):
        empty.keyboard.press("Delete")
    expect(empty.locator("#saved")).to_have_text("all saved")
    empty.wait_for_timeout(500)  # the page reads the answer
    expect(progress).to_contain_text(f"{num_done + 1} of ")
