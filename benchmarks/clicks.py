"""Further clicks on the masks of an endpoint: are they obeyed, and do masks become better?

    python -m benchmarks.clicks RUN --images 24

RUN is a finished run of shapes.  A person clicks every object of new images in its middle, and then
up to four times where the mask is most wrong: in the middle of the largest connected error.
"""

import argparse
import io
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from wssis_serve.config import ServeConfig
from wssis_serve.engines.models import find_models
from wssis_serve.engines.points import PointEngine
from wssis_serve.segmented import PointQuery

from benchmarks.timing import table
from ray_wssis import masks
from ray_wssis.data.builtin.shapes import CATEGORIES, draw_image
from ray_wssis.data.points.draw import with_points
from ray_wssis.data.points.kind import PointKind
from ray_wssis.data.records import Click, Object

SEED, SIZE = 4711, 128  # of images that no run has seen
LEAST_AREA = 60  # pixels
FURTHER = 4  # clicks
POOR = 0.7  # IoU of the first mask

Mask = NDArray[np.bool_]


@dataclass
class Found:
    """Figures of all objects."""

    ious: list[list[float]] = field(default_factory=list)  # after 1, 2, ... clicks
    obeyed: dict[bool, list[bool]] = field(default_factory=lambda: {True: [], False: []})
    seconds: list[float] = field(default_factory=list)  # of an answer after the first


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("run", type=Path, help="folder of a finished run of shapes")
    parser.add_argument("--images", type=int, default=24)
    given = parser.parse_args()
    torch.set_num_threads(1)
    config = ServeConfig(model=str(given.run))
    engine = PointEngine(find_models(config.model), config, torch.device("cpu"))
    found = Found()
    for index in range(given.images):
        pixels, record = draw_image(index, SEED, SIZE)
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, format="PNG")
        for obj in with_points(record, PointKind.CENTER, 0).objects:
            if obj.mask is not None and masks.area(obj.mask, SIZE, SIZE) >= LEAST_AREA:
                click_often(engine, buffer.getvalue(), obj, found)
    poor = [ious for ious in found.ious if ious[0] < POOR]
    head = ["clicks", *map(str, range(1, FURTHER + 2))]
    rows = [
        [
            f"mIoU of {len(ious)} objects{what}",
            *(f"{100 * np.mean(x):.1f}" for x in zip(*ious, strict=True)),
        ]
        for what, ious in (("", found.ious), (f" below {POOR:g} at first", poor))
        if ious
    ]
    print(table(head, rows))
    for positive, what in ((True, "on"), (False, "off")):
        answers = found.obeyed[positive]
        print(f"clicks {what} an object that are obeyed: {sum(answers)} of {len(answers)}")
    print(f"an answer to a further click: {1000 * statistics.median(found.seconds):.0f} ms")


def click_often(engine: PointEngine, image: bytes, obj: Object, found: Found) -> None:
    """Click an object until its mask is right, or nobody would click any more."""
    assert obj.mask is not None and obj.point is not None
    true = masks.decode(obj.mask, SIZE, SIZE)
    clicks: list[Click] = []
    ious: list[float] = []
    while len(ious) <= FURTHER:
        start = time.perf_counter()
        drawn = ask(engine, image, obj, clicks)
        if clicks:
            found.seconds.append(time.perf_counter() - start)
            x, y, positive = clicks[-1]
            found.obeyed[positive].append(bool(drawn[int(y), int(x)]) == positive)
        ious.append(float((drawn & true).sum() / (drawn | true).sum()))
        wrong = worst_place(drawn, true)
        if wrong is None:
            ious += [1.0] * (FURTHER + 1 - len(ious))
            break
        clicks.append(wrong)
    found.ious.append(ious)


def ask(engine: PointEngine, image: bytes, obj: Object, clicks: Sequence[Click]) -> Mask:
    assert obj.point is not None
    category = CATEGORIES[obj.label].name
    x, y = obj.point
    query = PointQuery(x=x, y=y, category=category, clicks=list(clicks))
    (instance,) = engine.masks(image, None, [query]).instances
    if instance.mask is None:
        return np.zeros((SIZE, SIZE), dtype=bool)
    return masks.decode(instance.mask, SIZE, SIZE)


def worst_place(drawn: Mask, true: Mask) -> Click | None:
    """The middle of the largest connected error; None if there is none."""
    error = (drawn != true).astype(np.uint8)
    number, parts, figures, _ = cv2.connectedComponentsWithStats(error, connectivity=4)
    if number < 2:
        return None
    largest = 1 + int(figures[1:, cv2.CC_STAT_AREA].argmax())
    part = np.pad((parts == largest).astype(np.uint8), 1)
    depth = cv2.distanceTransform(part, cv2.DIST_L2, 3)[1:-1, 1:-1]
    y, x = np.unravel_index(int(depth.argmax()), depth.shape)
    return Click(float(x) + 0.5, float(y) + 0.5, positive=bool(true[y, x]))


if __name__ == "__main__":
    main()
