"""The images of a folder in a browser: whatever dies, and whoever else labels, nothing is lost."""

import json
from pathlib import Path
from typing import Any

import pytest

from ray_wssis.data.coco.read import read_coco
from tests.support.page import Page, answer_from_before_a_save, click, expect, wait_for_masks

pytestmark = pytest.mark.slow

Json = dict[str, Any]


@pytest.fixture
def labels(queue_folder: Path) -> Path:
    """The file of the labels, which does not exist before a test."""
    file = queue_folder / "labels.json"
    file.unlink(missing_ok=True)
    return file


def opened(page: Page, address: str, place: int) -> Page:
    page.goto(address)
    expect(page.locator("#name")).to_contain_text(f"{place} of 8")
    return page


def wait_until_saved(page: Page) -> None:
    expect(page.locator("#objects")).not_to_contain_text("asking")
    expect(page.locator("#saved")).to_have_text("all saved")


def annotations(file: Path, name: str) -> list[Json]:
    data = json.loads(file.read_text())
    [number] = [image["id"] for image in data["images"] if image["file_name"] == name]
    return [entry for entry in data["annotations"] if entry["image_id"] == number]


def test_images_are_labelled_one_after_the_other_and_saved_at_once(
    empty: Page, queued: str, labels: Path, queue_folder: Path
) -> None:
    with empty.expect_response("**/v1/segment"), empty.expect_response("**/v1/segment"):
        page = opened(empty, queued, 1)  # the student looks at this image and the next one
    expect(page.locator("#message")).not_to_contain_text("undefined")
    page.keyboard.press("3")
    click(page, 50, 60)
    wait_until_saved(page)
    [entry] = annotations(labels, "0 ü#?.png")
    assert entry["point"] == pytest.approx((50, 60), abs=0.2)
    assert entry["category_id"] == 3
    assert "segmentation" in entry
    assert json.loads(labels.read_text())["images"][0]["annotated"] is False

    page.keyboard.press("d")  # done
    expect(page.locator("#name")).to_contain_text("2 of 8")
    page.keyboard.press("Shift+N")  # skipped
    expect(page.locator("#name")).to_contain_text("3 of 8")
    expect(page.locator("#progress")).to_have_text("1 of 8 done, 1 skipped")
    page.keyboard.press("d")  # there is nothing on it
    expect(page.locator("#name")).to_contain_text("4 of 8")
    wait_until_saved(page)
    states = [
        (image["file_name"][0], image["annotated"], image.get("skipped", False))
        for image in json.loads(labels.read_text())["images"]
    ]
    assert sorted(states) == [("0", True, False), ("1", False, True), ("2", True, False)]

    page.reload()  # it begins where nobody has been
    expect(page.locator("#name")).to_contain_text("4 of 8")
    expect(page.locator("#progress")).to_have_text("2 of 8 done, 1 skipped")
    for _ in range(3):
        page.keyboard.press("ArrowLeft")
    expect(page.locator("#name")).to_contain_text("1 of 8")
    wait_for_masks(page, 1)
    page.keyboard.press("j")
    page.keyboard.press("Delete")
    wait_until_saved(page)
    page.keyboard.press("u")
    wait_until_saved(page)
    assert annotations(labels, "0 ü#?.png") == [entry]  # the same, with the same id
    [record, *_] = read_coco(str(labels), str(queue_folder))
    assert len(record.objects) == 1


def test_an_answer_from_before_a_save_does_not_undo_it(
    empty: Page, queued: str, labels: Path
) -> None:
    page = opened(empty, queued, 1)
    expect(page.locator("#message")).not_to_contain_text("undefined")
    answer_from_before_a_save(page, asked="**/v1/queue", saved="**/v1/queue/labels/**")
    page.keyboard.press("Shift+N")  # skipped: saved, while the page asks how far all images are
    expect(page.locator("#name")).to_contain_text("2 of 8")
    expect(page.locator("#progress")).to_have_text("0 of 8 done, 1 skipped")


def test_what_the_server_does_not_get_is_kept_by_the_browser(
    empty: Page, queued: str, labels: Path
) -> None:
    page = opened(empty, queued, 1)
    page.route("**/v1/queue/labels/**", lambda route: route.abort())
    click(page, 30, 40)
    expect(page.locator("#saved")).to_have_text("not saved")
    expect(page.locator("#message")).to_contain_text("kept in this browser")
    assert not labels.exists()
    page.on("dialog", lambda dialog: dialog.accept())
    page.unroute("**/v1/queue/labels/**")
    page.reload()
    expect(page.locator("#name")).to_contain_text("1 of 8")
    wait_until_saved(page)
    expect(page.locator("#objects li")).to_have_count(1)
    assert annotations(labels, "0 ü#?.png")[0]["point"] == pytest.approx((30, 40), abs=0.2)


COPIES = "Object.entries(localStorage).filter(([key]) => key.startsWith('wssis-labels'))"


def test_a_copy_that_a_killed_browser_did_not_drop_undoes_nothing(
    empty: Page, queued: str, labels: Path
) -> None:
    page = opened(empty, queued, 1)
    page.route("**/v1/queue/labels/**", lambda route: route.abort())
    click(page, 30, 40)
    expect(page.locator("#saved")).to_have_text("not saved")
    [[key, copy]] = page.evaluate(COPIES)
    page.unroute("**/v1/queue/labels/**")
    click(page, 100, 100)
    wait_until_saved(page)
    stored = annotations(labels, "0 ü#?.png")
    assert (len(stored), page.evaluate(COPIES)) == (2, [])

    put = "([key, copy]) => localStorage.setItem(key, copy)"
    page.evaluate(put, [key, copy])  # browsers write late: so it is after SIGKILL
    opened(page, queued, 1)
    expect(page.locator("#objects li")).to_have_count(2)
    assert page.evaluate(COPIES) == []
    assert annotations(labels, "0 ü#?.png") == stored

    # A change that was made during a save, and whose own save did not come through.
    later = json.dumps(json.loads(copy) | {"change": 99})
    page.evaluate(put, [key, later])
    opened(page, queued, 1)
    wait_until_saved(page)
    expect(page.locator("#objects li")).to_have_count(1)
    expect(page.get_by_role("dialog", name="Somebody else saved this image")).to_be_hidden()
    [entry] = annotations(labels, "0 ü#?.png")
    assert entry["point"] == pytest.approx((30, 40), abs=0.2)


def test_two_people_do_not_overwrite_each_other(empty: Page, queued: str, labels: Path) -> None:
    page = opened(empty, queued, 1)
    other = empty.context.new_page()
    opened(other, queued, 1)
    click(other, 20, 20)
    wait_until_saved(other)
    click(page, 100, 100)
    form = page.get_by_role("dialog", name="Somebody else saved this image")
    expect(form).to_contain_text("saved by another window")
    page.get_by_role("button", name="Take theirs (1 objects)").click()
    wait_until_saved(page)
    [entry] = annotations(labels, "0 ü#?.png")
    assert entry["point"] == pytest.approx((20, 20), abs=0.2)

    click(page, 100, 100)
    wait_until_saved(page)
    click(other, 140, 20)
    other.get_by_role("button", name="Keep mine (2 objects)").click()
    wait_until_saved(other)
    points = [entry["point"] for entry in annotations(labels, "0 ü#?.png")]
    assert points == [pytest.approx((20, 20), abs=0.2), pytest.approx((140, 20), abs=0.2)]
    other.close()


def test_a_file_with_outlines_is_shown_and_kept(empty: Page, queued: str, labels: Path) -> None:
    outline = [[20, 20, 90, 20, 90, 80, 20, 80]]
    stored: Json = {"id": 5, "image_id": 9, "category_id": 2, "segmentation": outline, "my": 1}
    image = {"id": 9, "file_name": "0 ü#?.png", "width": 160, "height": 160}
    categories = [
        {"id": number, "name": name}
        for number, name in enumerate(("circle", "square", "triangle", "star", "ring", "cross"), 1)
    ]
    data = {"images": [image], "annotations": [stored], "categories": categories}
    labels.write_text(json.dumps(data))
    page = opened(empty, queued, 2)
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#objects li")).to_have_count(1)
    expect(page.locator("#objects")).to_contain_text("square")
    click(page, 130, 130)
    wait_until_saved(page)
    assert annotations(labels, "0 ü#?.png")[0] == stored
