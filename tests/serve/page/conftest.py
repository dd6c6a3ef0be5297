"""A browser, and servers for it: real clicks, keys, HTTP and networks."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright import sync_api as playwright
from wssis_serve.config import ServeConfig
from wssis_serve.http.api import create_api
from wssis_serve.label_page import label_page, strokes_page

from ray_wssis import masks
from ray_wssis.data.builtin.shapes import draw_image
from ray_wssis.data.coco.write import coco_mask
from tests.serve.conftest import backend_here, listening
from tests.support.page import TOKEN, Page, drop, expect
from tests.support.reviews import write_review

BROWSERS = ("chromium", "google-chrome", "chromium-browser")


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
def queue_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight images to label, 160 x 160 pixels each."""
    folder = tmp_path_factory.mktemp("queue")
    for seed in range(8):
        pixels = draw_image(seed, seed=0, size=160)[0]
        Image.fromarray(pixels).save(folder / f"{seed} ü#?.png")
    return folder


@pytest.fixture(scope="module")
def queued(run_folder: Path, queue_folder: Path) -> Iterator[str]:
    """The address of a server that offers these images."""
    config = ServeConfig(model=str(run_folder), queue=str(queue_folder))
    with listening(create_api(config, backend_here(config))) as url:
        yield url


@pytest.fixture(scope="module")
def from_nothing(queue_folder: Path) -> Iterator[str]:
    """The address of a server that has the same images and no model."""
    labels = queue_folder / "from_nothing.json"
    config = ServeConfig(model=str(queue_folder), queue=str(queue_folder), labels=str(labels))
    api, _ = label_page(config, "cat,dog")
    with listening(api) as url:
        yield url


@pytest.fixture(scope="module")
def mapped_queue(semantic_run: Path, queue_folder: Path) -> Iterator[str]:
    """The address of a server of a semantic student that offers the same images."""
    labels = str(queue_folder.parent / "mapped")
    config = ServeConfig(model=str(semantic_run), queue=str(queue_folder), labels=labels)
    with listening(create_api(config, backend_here(config))) as url:
        yield url


@pytest.fixture
def marking(queue_folder: Path, tmp_path: Path) -> Iterator[str]:
    """The address of a server that has the same images, for strokes and tags in `labels`."""
    labels = str(tmp_path / "labels")
    config = ServeConfig(model=str(queue_folder), queue=str(queue_folder), labels=labels)
    api, _ = strokes_page(config, "background,cat,dog")
    with listening(api) as url:
        yield url


@pytest.fixture(scope="module")
def suggesting(queue_folder: Path) -> Iterator[str]:
    """The same with a file of suggestions: squares in the first image, two sure and one not."""
    file = queue_folder.parent / "suggestions.json"
    write_suggestions(file, "0 ü#?.png", [(20, 0.9), (70, 0.8), (120, 0.1)])
    labels = queue_folder / "accepted.json"
    config = ServeConfig(model=str(queue_folder), queue=str(queue_folder), labels=str(labels))
    api, _ = label_page(config, None, str(file))
    with listening(api) as url:
        yield url


def write_suggestions(file: Path, name: str, squares: list[tuple[int, float]]) -> None:
    """Write what suggests dogs of 30 x 30 pixels on a diagonal of an image of 160 x 160 pixels."""
    annotations = []
    for number, (start, score) in enumerate(squares, start=1):
        mask = np.zeros((160, 160), dtype=bool)
        mask[start : start + 30, start : start + 30] = True
        annotations.append(
            {
                **{"id": number, "image_id": 1, "category_id": 2, "suggested": True},
                **{"score": score, "point": [start + 10.5, start + 10.5]},
                **coco_mask(masks.encode(mask), 160, 160),
            }
        )
    image = {"id": 1, "file_name": name, "width": 160, "height": 160, "annotated": False}
    categories = [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}]
    data = {"images": [image], "annotations": annotations, "categories": categories}
    file.write_text(json.dumps(data))


@pytest.fixture(scope="module")
def reviewed(run_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with masks to review."""
    run = shutil.copytree(run_folder, tmp_path_factory.mktemp("reviewed") / "run")
    write_review(run, num_images=3, size=160)
    return run


@pytest.fixture(scope="module")
def reviewing(reviewed: Path) -> Iterator[str]:
    """The address of a server of these masks."""
    config = ServeConfig(model=str(reviewed), review=True)
    with listening(create_api(config, backend_here(config))) as url:
        yield url


@pytest.fixture(scope="module")
def browser(
    served: str,
    mapping: str,
    guarded: str,
    student_only: str,
    forgetful: str,
    queued: str,
    mapped_queue: str,
    from_nothing: str,
    suggesting: str,
    reviewing: str,
) -> Iterator[Any]:
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
