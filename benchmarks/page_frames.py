"""Measures the frames of the labelling page while a person zooms and moves a large image.

    python -m benchmarks.page_frames

An image of 20 megapixels with 150 objects is in the queue of `wssis label-page`; headless Chromium
shows it, whose screen has 60 frames a second.  The browser draws without a GPU, and shares the CPUs
with the driver that turns the wheel and drags.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from benchmarks.labelling_session import browser
from benchmarks.serving_load import answering
from benchmarks.timing import significant, table
from ray_wssis import masks

WIDTH, HEIGHT, RADIUS = 5472, 3648, 150
LABEL_PAGE = ("ray_wssis.cli", "label-page")
RECORD = """() => {
  window.times = [];
  const note = (time) => { window.times.push(time); requestAnimationFrame(note); };
  requestAnimationFrame(note);
}"""
TAKE = "() => window.times.splice(0)"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--objects", type=int, nargs="+", default=[0, 150])
    parser.add_argument("--seconds", type=float, default=4, help="of each movement")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    rows = []
    for number in options.objects:
        with tempfile.TemporaryDirectory() as folder:
            images = Path(folder) / "images"
            write_image_and_labels(images, number)
            with (
                answering([*LABEL_PAGE, str(images), "--classes", "one,two"]) as server,
                browser(Path(folder) / "profile") as page,
            ):
                page.goto(server.url)
                page.locator("#saved", has_text="all saved").wait_for()
                page.wait_for_timeout(3000)  # the image is decoded
                page.evaluate(RECORD)
                for name, move in MOVEMENTS.items():
                    times = [frames(page, move, options.seconds) for _ in range(options.rounds)]
                    rows.append([str(number), name, *summary(times)])
    head = ["objects", "movement", "frames / s", "ms a frame: p50", "p95", "longest"]
    print(table(head, rows))


def write_image_and_labels(images: Path, number: int) -> None:
    """Write an image of soft noise, and round masks with frayed edges on a grid."""
    images.mkdir()
    random = np.random.default_rng(0)
    noise = random.integers(0, 256, (HEIGHT // 8, WIDTH // 8, 3), dtype=np.uint8)
    cv2.imwrite(str(images / "large.jpg"), cv2.resize(noise, (WIDTH, HEIGHT)))
    annotations = []
    for place in range(number):
        x, y = 180 + 340 * (place % 15), 180 + 340 * (place // 15)
        angles = np.linspace(0, 2 * np.pi, 90, endpoint=False)
        radii = RADIUS * random.uniform(0.8, 1, len(angles))
        corners = np.stack([x + radii * np.cos(angles), y + radii * np.sin(angles)], axis=1)
        mask = np.zeros((HEIGHT, WIDTH), dtype=np.uint8)
        cv2.fillPoly(mask, [corners.astype(np.int32)], 1)
        counts = masks.encode(mask.astype(bool)).decode()
        segmentation = {"size": [HEIGHT, WIDTH], "counts": counts}
        known = {"id": place + 1, "image_id": 1, "category_id": 1 + place % 2, "point": [x, y]}
        annotations.append(known | {"segmentation": segmentation})
    (images / "labels.json").write_text(
        json.dumps(
            {
                "images": [{"id": 1, "file_name": "large.jpg", "width": WIDTH, "height": HEIGHT}],
                "annotations": annotations,
                "categories": [{"id": 1, "name": "one"}, {"id": 2, "name": "two"}],
            }
        )
    )


def zoom(page: Any, count: int) -> None:
    page.mouse.move(640, 400)
    page.mouse.wheel(0, -120 if count // 20 % 2 == 0 else 120)  # in, then out


def drag(page: Any, count: int) -> None:
    if count % 40 == 0:
        page.mouse.up()
        page.mouse.move(640, 400)
        page.mouse.down()
    page.mouse.move(640 + 6 * (count % 40), 400 + 3 * (count % 40))


MOVEMENTS: dict[str, Callable[[Any, int], None]] = {"zoom": zoom, "drag": drag}


def frames(page: Any, move: Callable[[Any, int], None], seconds: float) -> list[float]:
    """Milliseconds between frames while a person moves the image for `seconds`."""
    page.evaluate(TAKE)
    until, count = time.perf_counter() + seconds, 0
    while time.perf_counter() < until:
        move(page, count)
        count += 1
    page.mouse.up()
    times = page.evaluate(TAKE)
    return [after - before for before, after in pairwise(times)]


def summary(rounds: list[list[float]]) -> list[str]:
    """Frames a second by round, then durations of all rounds."""
    rates = [1000 / statistics.mean(times) for times in rounds]
    ordered = sorted(time for times in rounds for time in times)
    parts = [ordered[int(share * (len(ordered) - 1))] for share in (0.5, 0.95, 1)]
    spread = f"{significant(statistics.median(rates))} ({min(rates):.0f}-{max(rates):.0f})"
    return [spread, *map(significant, parts)]


if __name__ == "__main__":
    main()
