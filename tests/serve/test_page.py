"""The page in a browser, used like a person uses it: real clicks, keys, HTTP and networks."""

import io
import json
import shutil
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco_mask
from wssis_serve.config import ServeConfig
from wssis_serve.http.api import create_api

from ray_wssis.data.builtin.shapes import draw_image
from ray_wssis.data.coco import read_coco
from ray_wssis.data.records import Record
from tests.serve.conftest import backend_here, listening

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
Page = Any

pytestmark = pytest.mark.slow

BROWSERS = ("chromium", "google-chrome", "chromium-browser")
TOKEN = "open sesame"
LOWEST_SCORE = 0.05  # that the page asks the student for

DROP = """
([name, type, base64]) => {
  const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  const dataTransfer = new DataTransfer();
  dataTransfer.items.add(new File([bytes], name, { type }));
  document.dispatchEvent(new DragEvent("drop", { dataTransfer, cancelable: true }));
}
"""


@pytest.fixture(scope="module")
def guarded(run_folder: Path) -> Iterator[str]:
    """The address of a server that needs `TOKEN`."""
    config = ServeConfig(model=str(run_folder), token=TOKEN)
    with listening(create_api(config, backend_here(config))) as url:
        yield url


@pytest.fixture(scope="module")
def student_only(run_folder: Path) -> Iterator[str]:
    """The address of a server without a teacher, so that points get no masks."""
    config = ServeConfig(model=str(run_folder))
    with listening(create_api(config, replace(backend_here(config), labeller=None))) as url:
        yield url


@pytest.fixture(scope="module")
def forgetful(run_folder: Path) -> Iterator[str]:
    """The address of a server that keeps no image for the next click."""
    config = ServeConfig(model=str(run_folder), remember_megabytes=0)
    with listening(create_api(config, backend_here(config))) as url:
        yield url


@pytest.fixture(scope="module")
def browser(served: str, guarded: str, student_only: str, forgetful: str) -> Iterator[Any]:
    """A headless browser; started after the servers, as no event loop can start while it runs."""
    program = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if program is None:
        pytest.skip(f"no browser here: none of {', '.join(BROWSERS)} is installed")
    playwright.expect.set_options(timeout=20_000)
    with playwright.sync_playwright() as driver:
        yield driver.chromium.launch(executable_path=program, args=["--no-sandbox"])


@pytest.fixture
def empty(browser: Any) -> Iterator[Page]:
    """A tab in which nothing may break: no exception, and no violation of the policy."""
    broken: list[str] = []
    with browser.new_context(viewport={"width": 1280, "height": 800}) as context:
        page = context.new_page()
        page.set_default_timeout(20_000)
        page.on("filechooser", lambda _: None)  # from the start, or one may be missed later
        page.on("pageerror", lambda error: broken.append(str(error)))
        page.on("console", lambda line: broken.append(line.text) if is_broken(line) else None)
        yield page
    assert broken == []


def is_broken(line: Any) -> bool:
    """Tell whether a line of the console is an error that the page does not handle."""
    return line.type == "error" and "Failed to load resource" not in line.text


@pytest.fixture
def page(empty: Page, served: str) -> Page:
    """The page without images."""
    empty.goto(served)
    expect(empty.locator("#classes label")).to_have_count(6)
    return empty


@pytest.fixture
def filled(page: Page, image: bytes) -> Page:
    """The page with one image, for which the student has been asked."""
    drop(page, "shapes.png", image)
    expect(page.locator("#found li")).not_to_have_count(0)
    return page


def expect(thing: Any) -> Any:
    return playwright.expect(thing)


def drop(page: Page, name: str, image: bytes, kind: str = "image/png") -> None:
    page.evaluate(DROP, [name, kind, b64encode(image).decode()])


def click(page: Page, x: float, y: float, width: int = 160, **how: Any) -> None:
    """Click a point of an image that is `width` x 160 pixels and fitted into the canvas."""
    box = page.locator("#canvas").bounding_box()
    scale = min(box["width"] / width, box["height"] / 160)
    left, top = (box["width"] - width * scale) / 2, (box["height"] - 160 * scale) / 2
    place = {"x": left + x * scale, "y": top + y * scale}
    page.locator("#canvas").click(position=place, **how)


def wait_for_masks(page: Page, num_objects: int) -> None:
    expect(page.locator("#objects li")).to_have_count(num_objects)
    expect(page.locator("#objects")).not_to_contain_text("asking")


def downloaded(page: Page, folder: Path) -> tuple[dict[str, Any], list[Record]]:
    """The file that `s` downloads, as JSON and as records."""
    with page.expect_download() as download:
        page.keyboard.press("s")
    file = folder / download.value.suggested_filename
    download.value.save_as(file)
    return json.loads(file.read_text()), list(read_coco(str(file), ""))


def ask(client: httpx2.Client, image: bytes, **point: Any) -> dict[str, Any]:
    """The answer of the server for one point of an image."""
    form: dict[str, Any] = {"image": image, "points": (None, json.dumps([point]))}
    answer: dict[str, Any] = client.post("/v1/segment/points", files=form).json()["instances"][0]
    return answer


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


def as_question(annotation: dict[str, Any]) -> dict[str, Any]:
    (x, y), clicks = annotation["point"], []
    for key, positive in (("extra_points", True), ("negative_points", False)):
        clicks += [{"x": u, "y": v, "positive": positive} for u, v in annotation.get(key, [])]
    return {"x": x, "y": y, "category_id": annotation["category_id"], "clicks": clicks}


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


DECODE = """
async ([counts, height, width, bbox]) => {
  const { contains, pixelsInBox, readMask } = await import("/page/masks.js");
  const mask = readMask({ rle: { size: [height, width], counts }, bbox });
  const all = [];
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) all.push(contains(mask, x + 0.5, y + 0.5));
  }
  return { box: [...pixelsInBox(mask)], all };
}
"""


def test_masks_are_decoded_as_by_the_reference(page: Page) -> None:
    random = np.random.default_rng(0)
    for size in ((1, 1), (1, 40), (37, 1), (37, 53)):
        for share in (0, 0.02, 0.5, 0.98, 1):
            check_decoded(page, random.random(size) < share)


def test_long_runs_are_decoded(page: Page) -> None:
    mask = np.zeros((200, 300), dtype=bool)
    mask[:, 20:290] = True  # the longest run has 26,000 pixels
    mask[40:160, 150:180] = False
    check_decoded(page, mask)


def check_decoded(page: Page, mask: Any) -> None:
    code = coco_mask.encode(np.asfortranarray(mask, dtype=np.uint8))
    x, y, width, height = (int(value) for value in coco_mask.toBbox(code))
    decoded = page.evaluate(DECODE, [code["counts"].decode(), *mask.shape, [x, y, width, height]])
    assert np.array_equal(np.array(decoded["all"]).reshape(mask.shape), mask)
    inside = np.array(decoded["box"], dtype=bool).reshape(height, width)
    assert np.array_equal(inside, mask[y : y + height, x : x + width])


def png(pixels: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    return buffer.getvalue()
