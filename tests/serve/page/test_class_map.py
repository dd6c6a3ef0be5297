"""The page of a semantic student, used like a person uses it."""

import base64
import io
import re
import zipfile
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from ray_wssis.data.class_maps.folder import read_folder
from ray_wssis.data.class_maps.png import UNKNOWN, decode
from ray_wssis.data.class_maps.tags import read_tags
from ray_wssis.data.problem import Problems
from ray_wssis.data.sparse.config import SparseLabelsConfig
from ray_wssis.data.sparse.given import with_given_labels
from tests.support.page import Page, click, drop, expect

pytestmark = pytest.mark.slow

DRAW = """
async ([width, height, brush, points]) => {
  const { draw, emptyMap } = await import("/page/class_map/strokes.js");
  const map = emptyMap(width, height);
  draw(map, { value: 7, width: brush, points });
  return [...map.pixels];
}
"""


@pytest.fixture
def page(empty: Page, mapping: str) -> Page:
    empty.goto(mapping)
    expect(empty.locator("#classes li")).to_have_count(5)
    return empty


@pytest.fixture
def filled(page: Page, image: bytes) -> Page:
    """The page with one image, for which the server has been asked."""
    drop(page, "shapes.png", image)
    expect(page.locator("#num-classes")).to_contain_text("shown")
    return page


def segment(mapper: httpx2.Client, image: bytes, **query: str) -> Any:
    form = {"image": ("image", image)}
    return mapper.post("/v1/segment", files=form, params=query).json()


def shown(page: Page) -> dict[str, str]:
    """The share and the confidence of each class in the legend."""
    rows = page.locator("#classes li .line").all()
    return {row.locator("b").inner_text(): row.locator("span").inner_text() for row in rows}


def wanted(answer: Any) -> dict[str, str]:
    words = {name: "" for name in ("background", "cat", "dog", "sea", "sky")}
    for entry in answer["classes"]:
        words[entry["class"]] = f"{100 * entry['share']:.1f} % · {entry['confidence']:.2f}"
    return words


def downloaded(page: Page, folder: Path) -> Path:
    """The folder with the files of the archive that `s` downloads."""
    with page.expect_download() as download:
        page.keyboard.press("s")
    download.value.save_as(folder / "download.zip")
    with zipfile.ZipFile(folder / "download.zip") as archive:
        assert archive.testzip() is None
        archive.extractall(folder)
    return folder


def drag(page: Page, *points: tuple[float, float]) -> None:
    """Draw through points of the 160 x 160 image."""
    box = page.locator("#canvas").bounding_box()
    scale = min(box["width"], box["height"]) / 160
    left = box["x"] + (box["width"] - 160 * scale) / 2
    top = box["y"] + (box["height"] - 160 * scale) / 2
    for place, (x, y) in enumerate(points):
        page.mouse.move(left + x * scale, top + y * scale)
        if not place:
            page.mouse.down()
    page.mouse.up()


def test_the_legend_is_the_answer_of_the_server_and_ticked_tags_restrict_it(
    filled: Page, mapper: httpx2.Client, image: bytes
) -> None:
    free = segment(mapper, image)
    assert shown(filled) == wanted(free)
    missing = next(name for name, words in shown(filled).items() if words and name != "background")
    tags = [name for name in ("cat", "dog", "sea", "sky") if name != missing][:2]
    restricted = wanted(segment(mapper, image, tags=",".join(tags)))
    assert restricted != wanted(free)
    for name in tags:
        filled.get_by_label(f"The image shows {name}").check()
    for name, words in restricted.items():
        row = filled.locator("#classes li").filter(has_text=name)
        expect(row.locator("span")).to_have_text(words)
    filled.locator("#untick").click()
    row = filled.locator("#classes li").filter(has_text=missing)
    expect(row.locator("span")).to_have_text(wanted(free)[missing])


def test_the_map_is_drawn_with_its_opacity_and_can_be_hidden(filled: Page) -> None:
    def look() -> bytes:
        return bytes(filled.locator("#canvas").screenshot())

    looks = [look()]
    filled.locator("#opacity").fill("1")
    looks.append(look())
    filled.locator("#classes li:not(.absent)").first.hover()
    looks.append(look())
    filled.keyboard.press("h")
    looks.append(look())
    assert len(set(looks)) == 4


def test_the_class_under_the_pointer_is_named(
    filled: Page, mapper: httpx2.Client, image: bytes
) -> None:
    answer = segment(mapper, image, format="gray")
    labels = np.array(Image.open(io.BytesIO(base64.b64decode(answer["png"]))))
    for x, y in ((20, 30), (80, 90), (140, 10)):
        click(filled, x + 0.5, y + 0.5)
        name = ("background", "cat", "dog", "sea", "sky")[labels[y, x]]
        expect(filled.locator("#name")).to_have_text(f"1 of 1 · shapes.png · {name}")


def test_strokes_and_tags_survive_a_reload(filled: Page, image: bytes) -> None:
    same_time = "Object.defineProperty(File.prototype, 'lastModified', { value: 7 })"
    filled.evaluate(same_time)
    for key in ("a", "3", "w", "2"):  # tick dogs, draw cats
        filled.keyboard.press(key)
    drag(filled, (20, 20), (60, 20))
    filled.reload()
    expect(filled.locator("#classes li")).to_have_count(5)
    filled.evaluate(same_time)
    drop(filled, "shapes.png", image)
    expect(filled.get_by_label("The image shows dog")).to_be_checked()
    expect(filled.locator("#images button")).to_have_attribute(
        "aria-label", "shapes.png, 2 classes"
    )


def test_strokes_and_tags_are_downloaded_as_wssis_reads_them(
    filled: Page, image: bytes, tmp_path: Path
) -> None:
    for key in ("w", "3", "[", "["):  # draw dogs, one pixel wide
        filled.keyboard.press(key)
    click(filled, 20.5, 30.5)
    filled.keyboard.press("]")
    filled.keyboard.press("5")
    drag(filled, (50.5, 60.5), (90.5, 60.5))
    filled.keyboard.press("t")
    drag(filled, (10, 10), (20, 20))
    filled.keyboard.press("u")  # the last stroke, not the tag
    (tmp_path / "images").mkdir()
    (tmp_path / "images/shapes.png").write_bytes(image)

    folder, problems = downloaded(filled, tmp_path), Problems()
    classes = str(folder / "classes.txt")
    records = read_folder(folder / "images", folder / "class_maps", classes, problems)
    (record,) = records
    assert [category.name for category in records.categories][3:] == ["sea", "sky"]
    assert [category.id for category in records.categories] == [0, 10, 20, 30, 40]
    expected = np.full((160, 160), UNKNOWN, np.uint8)
    expected[30, 20] = 2
    expected[59:62, 49:92] = 4
    assert record.class_map is not None
    assert np.array_equal(decode(record.class_map), expected)
    labels = SparseLabelsConfig(labels=(str(folder / "class_maps"),))
    (sparse,) = with_given_labels(records, labels, problems)
    assert sparse.class_map is not None
    assert np.array_equal(decode(sparse.class_map), expected)
    tags = read_tags(str(folder / "tags.csv"), records, problems)
    assert tags == {record.image_id: (0, 4)}
    assert [each for each in problems.found if each.severity == "error"] == []


def test_the_eraser_takes_pixels_back(filled: Page, tmp_path: Path) -> None:
    for key in ("w", "2"):
        filled.keyboard.press(key)
    drag(filled, (20, 20), (100, 20))
    filled.keyboard.press("e")
    drag(filled, (60, 5), (60, 40))
    file = downloaded(filled, tmp_path) / "class_maps/shapes.png"
    values = np.array(Image.open(file))
    assert values[20, 30] == values[20, 90] == 10
    assert set(values[20, 58:62]) == {UNKNOWN}


def test_only_images_that_were_drawn_on_are_downloaded(
    filled: Page, image: bytes, tmp_path: Path
) -> None:
    for key in ("w", "2"):
        filled.keyboard.press(key)
    click(filled, 20, 20)
    other = np.flipud(np.array(Image.open(io.BytesIO(image))))
    buffer = io.BytesIO()
    Image.fromarray(other).save(buffer, "PNG")
    drop(filled, "other.png", buffer.getvalue())
    expect(filled.locator("#images li")).to_have_count(2)
    filled.keyboard.press("ArrowRight")
    expect(filled.locator("#name")).to_contain_text("2 of 2")
    filled.keyboard.press("ArrowLeft")
    filled.keyboard.press("q")
    click(filled, 80, 80)
    expect(filled.locator("#name")).to_have_text(re.compile(r"1 of 2 · shapes.png · \w+"))
    folder = downloaded(filled, tmp_path)
    assert [file.name for file in (folder / "class_maps").iterdir()] == ["shapes.png"]


def slow_stroke(width: int, height: int, brush: int, points: list[Any]) -> NDArray[np.uint8]:
    """The pixels whose centre is within half the brush of any of many places on the line."""
    pixels = np.full((height, width), UNKNOWN, np.uint8)
    row, column = np.mgrid[:height, :width] + 0.5
    for (ax, ay), (bx, by) in zip([points[0], *points], points, strict=False):
        along = np.clip(
            ((column - ax) * (bx - ax) + (row - ay) * (by - ay))
            / max((bx - ax) ** 2 + (by - ay) ** 2, 1e-12),
            0,
            1,
        )
        away = np.hypot(column - ax - along * (bx - ax), row - ay - along * (by - ay))
        pixels[away <= brush / 2] = 7
        if 0 <= bx < width and 0 <= by < height:
            pixels[int(by), int(bx)] = 7
    return pixels


def test_a_stroke_has_the_pixels_within_half_its_width(page: Page) -> None:
    dice = np.random.default_rng(0)
    for width, height, brush in ((40, 30, 1), (40, 30, 5), (9, 50, 15), (1, 1, 3)):
        points = (dice.random((4, 2)) * [width + 10, height + 10] - 5).tolist()
        found = page.evaluate(DRAW, [width, height, brush, points])
        expected = slow_stroke(width, height, brush, points)
        assert np.array_equal(np.array(found).reshape(height, width), expected)


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_wider_than_the_screen(filled: Page, width: int, scheme: str) -> None:
    filled.emulate_media(color_scheme=scheme)
    filled.set_viewport_size({"width": width, "height": 800})
    assert filled.evaluate("document.documentElement.scrollWidth") == width
