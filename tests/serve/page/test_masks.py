"""The page decodes run lengths like the reference does."""

from typing import Any

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from tests.support.page import Page

pytestmark = pytest.mark.slow

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
