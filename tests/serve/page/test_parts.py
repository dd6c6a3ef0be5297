"""The page cuts masks into parts, puts them together, and changes their outlines."""

from typing import Any

import cv2
import numpy as np
import pytest
from pycocotools import mask as coco_mask

from ray_wssis import masks
from tests.support.page import Page

pytestmark = pytest.mark.slow

Array = Any

CUT = """
async ([mask, points, image]) => {
  const { readMask } = await import("/page/masks.js");
  const { partsAfterCut } = await import("/page/parts.js");
  const { drawStroke } = await import("/page/pen.js");
  const stroke = { tool: "cut", points, width: 2 };
  return partsAfterCut(readMask(mask), (context) => drawStroke(context, stroke), image);
}
"""
UNITE = """
async ([masks, image]) => {
  const { readMask } = await import("/page/masks.js");
  const { united } = await import("/page/parts.js");
  return united(masks.map(readMask), image);
}
"""
OUTLINES = """
async ([mask, image]) => {
  const { readMask } = await import("/page/masks.js");
  const { outlinesOf, redrawn } = await import("/page/outlines.js");
  const read = readMask(mask);
  const rings = outlinesOf(read);
  const same = redrawn(read, rings, rings, image);
  return { rings, same, without: redrawn(read, rings, [], image) };
}
"""


def as_json(mask: Array) -> dict[str, Any]:
    """Write a mask as an instance of the server."""
    code = coco_mask.encode(np.asfortranarray(mask, dtype=np.uint8))
    box = [int(value) for value in coco_mask.toBbox(code)]
    counts = code["counts"].decode()
    return {
        "rle": {"size": list(mask.shape), "counts": counts},
        "bbox": box,
        "area": int(mask.sum()),
    }


def image_of(mask: Array) -> dict[str, int]:
    return {"width": mask.shape[1], "height": mask.shape[0]}


def decoded(mask: dict[str, Any]) -> Array:
    found = masks.decode(mask["counts"].encode(), mask["height"], mask["width"]).astype(bool)
    assert mask["area"] == found.sum()
    return found


def blob(seed: int, size: int = 60) -> Array:
    """Draw a shape around the middle of an image, between 15 and 27 pixels in every direction."""
    weights = np.random.default_rng(seed).uniform(-2, 2, (3, 2))
    y, x = np.indices((size, size)) + 0.5 - size / 2
    angle = np.arctan2(y, x)
    radius = 21 + sum(
        a * np.sin(number * angle) + b * np.cos(number * angle)
        for number, (a, b) in enumerate(weights, 2)
    )
    return np.hypot(x, y) < np.clip(radius, 15, 27)


def test_a_cut_parts_what_lies_on_its_two_sides(page: Page) -> None:
    mask = np.zeros((40, 50), dtype=bool)
    mask[10:30, 5:45] = True
    mask[35:37, 5:7] = True  # an island that the cut does not touch
    parts = [
        decoded(part)
        for part in page.evaluate(CUT, [as_json(mask), [[30, 0], [30, 40]], image_of(mask)])
    ]
    assert [part.any(0).nonzero()[0][[0, -1]].tolist() for part in parts] == [[5, 29], [30, 44]]
    assert parts[0][35:37, 5:7].all()
    assert (parts[0] ^ parts[1] == mask).all()


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("line", [[[0, 7], [60, 49]], [[33, 0], [28, 60]], [[0, 60], [60, 0]]])
def test_parts_of_any_shape_are_connected_and_add_up(
    page: Page, seed: int, line: list[list[float]]
) -> None:
    mask = blob(seed)
    parts = [decoded(part) for part in page.evaluate(CUT, [as_json(mask), line, image_of(mask)])]
    assert (np.sum(parts, axis=0) == mask).all()
    assert [part.sum() for part in parts] == sorted((p.sum() for p in parts), reverse=True)
    (x0, y0), (x1, y1) = line
    y, x = np.indices(mask.shape) + 0.5
    distance = ((x - x0) * (y1 - y0) - (y - y0) * (x1 - x0)) / np.hypot(x1 - x0, y1 - y0)
    for part in parts:
        assert cv2.connectedComponents(part.astype(np.uint8), connectivity=4)[0] == 2
        sides = np.sign(distance[part & (np.abs(distance) > 2)])
        assert len(set(sides)) <= 1
    assert len(parts) >= 2


def test_a_cut_that_ends_in_the_mask_parts_nothing(page: Page) -> None:
    mask = blob(0)
    [part] = page.evaluate(CUT, [as_json(mask), [[0, 0], [30, 30]], image_of(mask)])
    assert (decoded(part) == mask).all()


def test_masks_are_united(page: Page) -> None:
    one, other = blob(1), blob(2)
    united = page.evaluate(UNITE, [[as_json(one), as_json(other)], image_of(one)])
    assert (decoded(united) == one | other).all()


def test_outlines_run_around_objects_and_holes_with_few_corners(page: Page) -> None:
    mask = np.zeros((40, 50), dtype=bool)
    mask[10:30, 5:45] = True
    mask[15:20, 10:20] = False
    found = page.evaluate(OUTLINES, [as_json(mask), image_of(mask)])
    corners = [{tuple(corner) for corner in ring} for ring in found["rings"]]
    assert corners == [
        {(5, 10), (45, 10), (45, 30), (5, 30)},
        {(10, 15), (20, 15), (20, 20), (10, 20)},
    ]
    assert found["without"] is None


@pytest.mark.parametrize("seed", range(3))
def test_outlines_are_near_the_mask_and_leave_it_as_it_is(page: Page, seed: int) -> None:
    mask = blob(seed)
    found = page.evaluate(OUTLINES, [as_json(mask), image_of(mask)])
    assert (decoded(found["same"]) == mask).all()
    flat = [[value for corner in ring for value in corner] for ring in found["rings"]]
    filled = np.zeros_like(mask)
    for ring in flat:
        code = coco_mask.frPyObjects([ring], *mask.shape)[0]
        filled ^= masks.decode(code["counts"], *mask.shape).astype(bool)
    assert (filled & mask).sum() / (filled | mask).sum() > 0.9
    assert sum(map(len, found["rings"])) < 0.4 * np.abs(np.diff(mask.astype(int))).sum()
