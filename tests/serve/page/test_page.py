"""The page in a browser, used like a person uses it."""

import io
from pathlib import Path

import httpx2
import pytest
from PIL import Image

from ray_wssis.data.builtin.shapes import draw_image
from tests.support.page import (
    TOKEN,
    Page,
    as_question,
    ask,
    click,
    downloaded,
    drop,
    expect,
    png,
    wait_for_masks,
)

pytestmark = pytest.mark.slow

LOWEST_SCORE = 0.05  # that the page asks the student for


def test_the_instances_of_a_dropped_image_are_listed_best_first(
    filled: Page, client: httpx2.Client, image: bytes
) -> None:
    found = client.post(
        "/v1/segment", files={"image": ("image", image)}, params={"threshold": LOWEST_SCORE}
    ).json()["instances"]
    best = [instance for instance in found if instance["score"] >= 0.3]
    assert 0 < len(best) < len(found)
    lines = filled.locator("#found .line").all_inner_texts()
    assert [line.split() for line in lines] == [
        [instance["class"], "score", f"{instance['score']:.2f}"] for instance in best
    ]

    filled.locator("#threshold").fill(str(LOWEST_SCORE))
    expect(filled.locator("#found li")).to_have_count(len(found))


def test_masks_are_drawn_and_can_be_hidden(filled: Page) -> None:
    shown = filled.locator("#canvas").screenshot()
    filled.keyboard.press("h")
    assert filled.locator("#canvas").screenshot() != shown


def test_a_click_makes_an_object_of_the_picked_class_with_the_servers_mask(
    filled: Page, client: httpx2.Client, image: bytes, tmp_path: Path
) -> None:
    filled.keyboard.press("3")
    click(filled, 50.5, 60)
    wait_for_masks(filled, 1)
    expect(filled.locator("#objects")).to_contain_text("triangle")

    data, [record] = downloaded(filled, tmp_path)
    [annotation] = data["annotations"]
    assert annotation["point"] == pytest.approx((50.5, 60), abs=0.2)
    assert [obj.point for obj in record.objects] == [tuple(annotation["point"])]
    drawn = ask(client, image, **as_question(annotation))
    assert [obj.mask for obj in record.objects] == [drawn["rle"]["counts"].encode()]
    for key in ("category_id", "score", "expected_iou", "bbox", "area"):
        assert annotation[key] == drawn[key], key
    words = f"score {drawn['score']:.2f} · expected IoU {drawn['expected_iou']:.2f}"
    expect(filled.locator("#objects")).to_contain_text(words)


def test_further_clicks_refine_the_selected_object_and_undo_takes_them_back(
    filled: Page, client: httpx2.Client, image: bytes, tmp_path: Path
) -> None:
    click(filled, 50, 60)
    wait_for_masks(filled, 1)
    click(filled, 90, 70, modifiers=["Alt"])
    click(filled, 20, 30, modifiers=["Shift"])
    click(filled, 150, 140, button="right")
    wait_for_masks(filled, 1)

    data, [record] = downloaded(filled, tmp_path)
    [[on, off, off_too]] = [obj.clicks for obj in record.objects]
    for found, wanted in ((on, (90, 70)), (off, (20, 30)), (off_too, (150, 140))):
        assert (found.x, found.y) == pytest.approx(wanted, abs=0.2)
    assert (on.positive, off.positive, off_too.positive) == (True, False, False)
    [annotation] = data["annotations"]
    drawn = ask(client, image, **as_question(annotation))
    assert annotation.get("segmentation") == drawn.get("rle")

    for _ in range(2):
        filled.keyboard.press("u")
    _, [record] = downloaded(filled, tmp_path)
    assert [obj.clicks for obj in record.objects] == [(on,)]
    filled.keyboard.press("Control+z")
    filled.keyboard.press("Control+z")
    expect(filled.locator("#objects li")).to_have_count(0)
    filled.keyboard.press("Control+Shift+Z")
    filled.keyboard.press("r")
    wait_for_masks(filled, 1)
    _, [record] = downloaded(filled, tmp_path)
    assert [obj.clicks for obj in record.objects] == [(on,)]


def test_an_accepted_instance_is_an_object_with_the_students_mask_and_no_point(
    filled: Page, tmp_path: Path
) -> None:
    num_found = filled.locator("#found li").count()
    filled.locator("#found .line").first.dblclick()
    expect(filled.locator("#found li")).to_have_count(num_found - 1)
    filled.locator("#found .line").first.focus()
    filled.keyboard.press("a")
    wait_for_masks(filled, 2)
    filled.keyboard.press("Delete")
    wait_for_masks(filled, 1)

    data, [record] = downloaded(filled, tmp_path)
    assert [obj.point for obj in record.objects] == [None]
    assert data["annotations"][0]["segmentation"]["counts"].encode() == record.objects[0].mask
    assert data["annotations"][0]["score"] > 0.3


def test_it_can_be_used_with_the_keyboard_alone(page: Page, image: bytes, tmp_path: Path) -> None:
    files = [tmp_path / "one.png", tmp_path / "two.png"]
    files[0].write_bytes(image)
    files[1].write_bytes(png(draw_image(1, seed=0, size=160)[0]))
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("o")
    chooser.value.set_files(files)
    expect(page.locator("#images li")).to_have_count(2)
    for key in ("2", "x", "ArrowRight", "Shift+ArrowUp", "Enter", "Escape", "Escape"):
        page.keyboard.press(key)
    wait_for_masks(page, 1)
    page.keyboard.press("ArrowRight")
    expect(page.locator("#name")).to_contain_text("2 of 2")
    for key in ("5", "x", "Enter"):
        page.keyboard.press(key)
    wait_for_masks(page, 1)

    data, records = downloaded(page, tmp_path)
    assert [record.file for record in records] == ["one.png", "two.png"]
    assert [annotation["category_id"] for annotation in data["annotations"]] == [2, 5]
    [(x, y)] = [obj.point for obj in records[0].objects if obj.point]
    assert x > 80 > y  # one step and one fine step from the middle
    assert x - 80 > 5 * (80 - y)
    assert [obj.point for obj in records[1].objects] == [(80, 80)]

    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys and clicks")).to_be_visible()


def test_an_image_is_labelled_as_it_is_shown(
    page: Page, client: httpx2.Client, tmp_path: Path
) -> None:
    lying = Image.fromarray(draw_image(2, seed=0, size=160)[0]).crop((0, 0, 160, 120))
    exif = lying.getexif()
    exif[0x0112] = 6  # to be turned by a quarter
    buffer = io.BytesIO()
    lying.save(buffer, format="JPEG", exif=exif)
    drop(page, "turned.jpg", buffer.getvalue(), "image/jpeg")
    expect(page.locator("#found li")).not_to_have_count(0)
    click(page, 20, 150, width=120)
    wait_for_masks(page, 1)

    data, [record] = downloaded(page, tmp_path)
    assert (record.width, record.height) == (120, 160)
    assert record.objects[0].point == pytest.approx((20, 150), abs=0.2)
    drawn = ask(client, buffer.getvalue(), **as_question(data["annotations"][0]))
    assert [obj.mask for obj in record.objects] == [drawn["rle"]["counts"].encode()]


def test_without_a_teacher_points_are_kept_as_weak_labels(
    empty: Page, student_only: str, image: bytes, tmp_path: Path
) -> None:
    empty.goto(student_only)
    drop(empty, "shapes.png", image)
    expect(empty.locator("#found li")).not_to_have_count(0)
    click(empty, 40, 100)
    click(empty, 140, 30, modifiers=["Shift"])
    data, [record] = downloaded(empty, tmp_path)
    assert [obj.mask for obj in record.objects] == [None]
    assert record.objects[0].point == pytest.approx((40, 100), abs=0.2)
    assert [click.positive for click in record.objects[0].clicks] == [False]
    assert not {"segmentation", "bbox", "area", "score"} & data["annotations"][0].keys()


def test_an_image_that_the_server_has_forgotten_is_sent_again(
    empty: Page, forgetful: str, image: bytes
) -> None:
    empty.goto(forgetful)
    drop(empty, "shapes.png", image)
    expect(empty.locator("#found li")).not_to_have_count(0)
    click(empty, 50, 60)
    wait_for_masks(empty, 1)
    with empty.expect_response(lambda answer: answer.status == 404) as refused:
        click(empty, 100, 110)
    assert refused.value.json()["error"]["code"] == "unknown_image"
    wait_for_masks(empty, 2)
    expect(empty.locator("#objects")).not_to_contain_text("failed")


def test_a_token_is_asked_for_and_kept_for_the_tab(empty: Page, guarded: str, image: bytes) -> None:
    empty.goto(guarded)
    form = empty.get_by_role("dialog", name="This server needs a token")
    for token in ("wrong", TOKEN):
        form.get_by_label("Token").fill(token)
        empty.keyboard.press("Enter")
        if token == "wrong":
            expect(form.get_by_role("alert")).to_have_text("That token was not accepted.")
    expect(empty.locator("#classes label")).to_have_count(6)
    expect(form).not_to_be_visible()

    empty.reload()
    expect(empty.locator("#classes label")).to_have_count(6)
    drop(empty, "shapes.png", image)
    expect(empty.locator("#found li")).not_to_have_count(0)


def test_images_of_one_name_are_told_apart(page: Page, tmp_path: Path) -> None:
    for seed in range(3):
        drop(page, "image.png", png(draw_image(seed, seed=0, size=160)[0]))
        expect(page.locator("#images li")).to_have_count(seed + 1)
    for place in (1, 2, 3):
        expect(page.locator("#name")).to_contain_text(f"{place} of 3")
        click(page, 80, 80)
        wait_for_masks(page, 1)
        page.keyboard.press("ArrowRight")

    _, records = downloaded(page, tmp_path)
    assert [record.file for record in records] == ["image.png", "image (2).png", "image (3).png"]


def test_errors_are_shown_in_words(page: Page, image: bytes) -> None:
    drop(page, "notes.txt", b"no image", "text/plain")
    message = page.locator("#message")
    expect(message).to_have_text("notes.txt: this browser cannot read it as an image.")
    gif = io.BytesIO()
    Image.open(io.BytesIO(image)).save(gif, format="GIF")
    drop(page, "moving.gif", gif.getvalue(), "image/gif")
    expect(message).to_contain_text("moving.gif: ")
    expect(message).to_contain_text("JPEG")


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_wider_than_the_screen(
    filled: Page, width: int, scheme: str, image: bytes
) -> None:
    filled.emulate_media(color_scheme=scheme)
    filled.set_viewport_size({"width": width, "height": 800})
    click(filled, 50, 60)
    wait_for_masks(filled, 1)
    assert filled.evaluate("document.documentElement.scrollWidth") == width


def test_labels_of_a_dropped_image_come_back_with_it_after_a_reload(
    filled: Page, image: bytes, tmp_path: Path
) -> None:
    filled.evaluate("Object.defineProperty(File.prototype, 'lastModified', { value: 7 })")
    drop(filled, "again.png", image)
    expect(filled.locator("#images li")).to_have_count(2)
    filled.keyboard.press("ArrowRight")
    expect(filled.locator("#name")).to_contain_text("2 of 2")
    click(filled, 50.5, 60)
    wait_for_masks(filled, 1)
    filled.on("dialog", lambda dialog: dialog.accept())
    filled.reload()
    expect(filled.locator("#classes label")).to_have_count(6)
    filled.evaluate("Object.defineProperty(File.prototype, 'lastModified', { value: 7 })")
    drop(filled, "again.png", image)
    wait_for_masks(filled, 1)
    _, [record] = downloaded(filled, tmp_path)
    assert record.objects[0].point == pytest.approx((50.5, 60), abs=0.2)
    assert record.objects[0].mask is not None


def test_an_image_without_objects_is_exported_once_it_is_done(
    filled: Page, image: bytes, tmp_path: Path
) -> None:
    expect(filled.locator("#download")).to_be_disabled()
    filled.keyboard.press("d")
    data, [record] = downloaded(filled, tmp_path)
    assert data["images"][0]["annotated"] is True
    assert record.objects == ()
