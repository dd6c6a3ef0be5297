"""A recorded session of labelling, in a headless browser that is killed half-way.

    python -m benchmarks.labelling_session RUN
    python -m benchmarks.labelling_session RUN --images 30 --screenshots FOLDER

RUN is a finished run of shapes; the endpoint is `wssis serve RUN --queue`.  A person that is never
tired clicks every object of new images once, draws on the mask of every fifteenth, and says of each
image that it is done.  Half-way the browser gets SIGKILL.  In the end the file of labels is
compared with what was clicked, a run learns from it by the command that the page's program prints,
and its student is asked about an image.
"""

import argparse
import json
import os
import shlex
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
from wssis_serve.labelling.queue import Queue
from wssis_serve.labelling.training import ready_to_train

from benchmarks.serving_load import ANSWER_WITHIN, served
from benchmarks.timing import significant, table
from ray_wssis import masks
from ray_wssis.data.builtin.shapes import write_shapes
from ray_wssis.data.check.coco import check_file
from ray_wssis.data.coco.read import read_coco
from ray_wssis.data.points.draw import with_points
from ray_wssis.data.points.kind import PointKind
from ray_wssis.data.records import Object, Record
from ray_wssis.models.model_folder import METRICS

SEED, SIZE = 4711, 128  # of images that no run has seen
EDIT_EVERY = 15  # objects
BROWSERS = ("chromium", "google-chrome", "chromium-browser")
PATIENCE = 30_000  # milliseconds
WINDOW: Any = {"width": 1280, "height": 800}


@dataclass
class Session:
    """Progress of the person."""

    clicked: dict[str, list[Object]] = field(default_factory=dict)  # by image
    milliseconds: list[float] = field(default_factory=list)  # from a click to its mask
    num_edited: int = 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("run", type=Path, help="folder of a finished run of shapes")
    parser.add_argument("--images", type=int, default=30)
    parser.add_argument("--minutes", type=float, default=5, help="of the training")
    parser.add_argument("--screenshots", type=Path, help="folder for a few of them")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        truth = read_coco(write_shapes(folder, given.images, SEED, SIZE), str(place / "images"))
        records = [with_points(record, PointKind.CENTER, 0) for record in truth]
        labels, begun = place / "labels.json", time.perf_counter()
        changes = [f"queue={place / 'images'}", f"labels={labels}"]
        with served(given.run, *changes) as server:
            session = label(server.url, records, place / "profile", given.screenshots)
        seconds = time.perf_counter() - begun
        rows = compared(session, labels, place / "images")
        errors = [each for each in check_file(str(labels), str(place / "images")) if is_error(each)]
        rows += learnt(place / "images", labels, given.minutes)
    rows += [
        ("errors of `wssis data check`", str(len(errors))),
        ("click to mask, ms: p50, slowest", pair(session.milliseconds)),
        ("seconds, with two starts of the browser", f"{seconds:.0f}"),
    ]
    print(table(["", ""], rows))


def label(url: str, records: list[Record], profile: Path, screenshots: Path | None) -> Session:
    """Label all images, with a browser that dies half-way."""
    session, half = Session(), len(records) // 2
    with browser(profile) as page:
        page.goto(url)
        for record in records[:half]:
            label_image(page, record, session)
        take(page, screenshots, "before")
        click_all(page, records[half], session)
        time.sleep(1)  # a save takes less
        kill(profile)
    with browser(profile) as page:
        page.goto(url)
        take(page, screenshots, "after")
        for record in records[half:]:
            label_image(page, record, session)
        take(page, screenshots, "end")
    return session


def label_image(page: Any, record: Record, session: Session) -> None:
    """Click what was not clicked before, and go to the next image."""
    name = Path(record.file).name
    page.locator("#name", has_text=name).wait_for(timeout=PATIENCE)
    if name not in session.clicked:
        click_all(page, record, session)
    wait_for_objects(page, len(record.objects))
    page.keyboard.press("d")
    page.wait_for_function(
        "name => !document.getElementById('name').textContent.includes(name) || "
        "document.getElementById('message').textContent.includes('All images')",
        arg=name,
        timeout=PATIENCE,
    )
    page.locator("#saved", has_text="all saved").wait_for(timeout=PATIENCE)


def click_all(page: Any, record: Record, session: Session) -> None:
    name = Path(record.file).name
    page.locator("#name", has_text=name).wait_for(timeout=PATIENCE)
    done = session.clicked.setdefault(name, [])
    for number, obj in enumerate(record.objects, 1):
        assert obj.point is not None
        page.keyboard.press("Escape")
        page.keyboard.press("q")
        page.keyboard.press(str(obj.label + 1))
        start = time.perf_counter()
        page.mouse.click(*on_screen(page, record, obj.point))
        wait_for_objects(page, number)
        session.milliseconds.append(1000 * (time.perf_counter() - start))
        done.append(obj)
        if sum(map(len, session.clicked.values())) % EDIT_EVERY == 0:
            page.keyboard.press("b")
            draw_on(page, record, obj.point)
            session.num_edited += 1


def draw_on(page: Any, record: Record, point: tuple[float, float]) -> None:
    x, y = on_screen(page, record, point)
    page.mouse.move(x - 6, y)
    page.mouse.down()
    page.mouse.move(x + 6, y, steps=3)
    page.mouse.up()


def wait_for_objects(page: Any, number: int) -> None:
    """Wait until there are so many objects, and the server has answered about all of them."""
    page.wait_for_function(
        "number => { const rows = document.getElementById('objects'); "
        "return rows.children.length === number && !rows.textContent.includes('asking'); }",
        arg=number,
        timeout=PATIENCE,
    )


def on_screen(page: Any, record: Record, point: tuple[float, float]) -> tuple[float, float]:
    """The place of a point of an image that fits into the canvas."""
    box = page.locator("#canvas").bounding_box()
    scale = min(box["width"] / record.width, box["height"] / record.height)
    left = box["x"] + (box["width"] - record.width * scale) / 2
    top = box["y"] + (box["height"] - record.height * scale) / 2
    return left + point[0] * scale, top + point[1] * scale


def compared(session: Session, labels: Path, images: Path) -> list[tuple[str, str]]:
    """Rows about what was clicked and what is in the file."""
    stored = {Path(record.file).name: record for record in read_coco(str(labels), str(images))}
    done = [
        entry for entry in json.loads(labels.read_text())["images"] if entry["annotated"] is True
    ]
    num_clicked = num_lost = num_other = num_masks = 0
    ious = []
    for name, clicked in session.clicked.items():
        record = stored[name]
        left = list(record.objects)
        for obj in clicked:
            num_clicked += 1
            found = [each for each in left if is_same(each, obj)]
            if not found:
                num_lost += 1
                continue
            left.remove(found[0])
            num_masks += found[0].mask is not None
            if found[0].mask is not None and obj.mask is not None:
                ious.append(masks.iou(found[0].mask, obj.mask, record.height, record.width))
        num_other += len(left)
    return [
        ("images that are done", f"{len(done)} of {len(session.clicked)}"),
        ("objects clicked", str(num_clicked)),
        ("of them drawn on", str(session.num_edited)),
        ("lost", str(num_lost)),
        ("that nobody clicked", str(num_other)),
        ("with a mask", str(num_masks)),
        ("mIoU of these masks", significant(100 * statistics.mean(ious)) if ious else "-"),
    ]


def learnt(images: Path, labels: Path, minutes: float) -> list[tuple[str, str]]:
    """Rows about a run that learns from the labels, and about its student behind the endpoint."""
    queue = Queue(str(images), str(labels))
    command = ready_to_train(queue, str(images))[-1].removeprefix("now train: wssis ")
    line = [sys.executable, "-m", "ray_wssis.cli", *shlex.split(command)]
    subprocess.run([*line, "--minutes", str(minutes)], check=True)
    run = Path(line[line.index("--out") + 1])
    metrics = json.loads((run / METRICS).read_text())
    image = next(iter(queue.images.names))
    with served(run) as server:
        headers = {"Content-Type": "image/png" if image.endswith("png") else "image/jpeg"}
        content = (images / image).read_bytes()
        answer = httpx2.post(
            f"{server.url}/v1/segment", content=content, headers=headers, timeout=ANSWER_WITHIN
        )
    found = answer.raise_for_status().json()["instances"]
    return [
        ("AP of a student that learnt from it", f"{metrics['student/val/AP']:.1f}"),
        ("minutes of its run, planned", f"{minutes:g}"),
        ("objects that it finds in the first image, served", str(len(found))),
    ]


def is_same(stored: Object, clicked: Object) -> bool:
    if stored.point is None or clicked.point is None or stored.label != clicked.label:
        return False
    return all(abs(a - b) < 0.5 for a, b in zip(stored.point, clicked.point, strict=True))


def is_error(problem: Any) -> bool:
    return bool(problem.severity == "error")


def pair(values: list[float]) -> str:
    return f"{significant(statistics.median(values))}, {significant(max(values))}"


@contextmanager
def browser(profile: Path) -> Iterator[Any]:
    """A page of a browser that keeps its storage in a folder."""
    from playwright import sync_api as playwright

    program = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if program is None:
        raise SystemExit(f"no browser here: none of {', '.join(BROWSERS)} is installed")
    with playwright.sync_playwright() as driver:
        context = driver.chromium.launch_persistent_context(
            str(profile), executable_path=program, args=["--no-sandbox"], viewport=WINDOW
        )
        yield context.pages[0]
        try:
            context.close()
        except playwright.Error:  # it was killed
            return


def kill(profile: Path) -> None:
    """Kill the processes of the browser with this profile."""
    for folder in Path("/proc").iterdir():
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if f"--user-data-dir={profile}".encode() in words:
            os.kill(int(folder.name), signal.SIGKILL)


def take(page: Any, folder: Path | None, name: str) -> None:
    if folder is not None:
        page.wait_for_timeout(1000)
        page.screenshot(path=folder / f"{name}.png")


if __name__ == "__main__":
    main()
