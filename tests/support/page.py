"""The page in a browser: clicks, drops and downloads, and the answers that the page shows."""

import io
import json
from base64 import b64encode
from pathlib import Path
from typing import Any

import httpx2
from PIL import Image
from playwright import sync_api as playwright

from ray_wssis.data.coco.read import read_coco
from ray_wssis.data.records import Record

Page = Any
TOKEN = "open sesame"

DROP = """
([name, type, base64]) => {
  const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  const dataTransfer = new DataTransfer();
  dataTransfer.items.add(new File([bytes], name, { type }));
  document.dispatchEvent(new DragEvent("drop", { dataTransfer, cancelable: true }));
}
"""


def expect(thing: Any) -> Any:
    return playwright.expect(thing)


def drop(page: Page, name: str, image: bytes, kind: str = "image/png") -> None:
    page.evaluate(DROP, [name, kind, b64encode(image).decode()])


def click(page: Page, x: float, y: float, width: int = 160, **how: Any) -> None:
    """Click a point of an image that is `width` x 160 pixels and fitted into the canvas."""
    place = dict(zip("xy", place_of(page, x, y, width), strict=True))
    page.locator("#canvas").click(position=place, **how)


def place_of(page: Page, x: float, y: float, width: int = 160) -> tuple[float, float]:
    """The place of a point of such an image on the canvas."""
    box = page.locator("#canvas").bounding_box()
    scale = min(box["width"] / width, box["height"] / 160)
    left, top = (box["width"] - width * scale) / 2, (box["height"] - 160 * scale) / 2
    return left + x * scale, top + y * scale


def drag(page: Page, *points: tuple[float, float]) -> None:
    """Draw a stroke through points of an image of 160 x 160 pixels."""
    box = page.locator("#canvas").bounding_box()
    for number, point in enumerate(points):
        x, y = place_of(page, *point)
        page.mouse.move(box["x"] + x, box["y"] + y, steps=4)
        if number == 0:
            page.mouse.down()
    page.mouse.up()


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


def as_question(annotation: dict[str, Any]) -> dict[str, Any]:
    (x, y), clicks = annotation["point"], []
    for key, positive in (("extra_points", True), ("negative_points", False)):
        clicks += [{"x": u, "y": v, "positive": positive} for u, v in annotation.get(key, [])]
    return {"x": x, "y": y, "category_id": annotation["category_id"], "clicks": clicks}


def png(pixels: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    return buffer.getvalue()


def answer_from_before_a_save(page: Page, asked: str, saved: str) -> None:
    """Make answers to `asked` old when they come: the save at `saved` that is under way is done
    between the server's answer and its arrival."""
    saves: list[Any] = []

    def hold(route: Any) -> None:
        if route.request.method == "GET":
            route.continue_()
        else:
            saves.append(route)

    def answer_late(route: Any) -> None:
        before = route.fetch()
        for _ in range(1000):
            if not saves:
                page.wait_for_timeout(10)
        [save] = saves
        save.continue_()
        assert save.request.response().ok
        page.wait_for_timeout(200)  # the page reads that it is saved
        route.fulfill(response=before)

    page.route(saved, hold)
    page.route(asked, answer_late)
