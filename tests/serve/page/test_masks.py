"""The page decodes and encodes run lengths like the reference does."""

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

ENCODE = """
async ([pixels, box, height, width]) => {
  const { maskOfPixels, runEnds } = await import("/page/masks.js");
  const mask = maskOfPixels(pixels, box, height, width);
  return mask && { ...mask, ends: [...mask.ends], again: [...runEnds(mask.counts)] };
}
"""
IOU = """
async (codes) => {
  const { iou, readMask } = await import("/page/masks.js");
  return iou(...codes.map(readMask));
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


def test_masks_are_encoded_as_by_the_reference(page: Page) -> None:
    random = np.random.default_rng(1)
    for left, top, across, down in ((0, 0, 30, 20), (4, 3, 1, 1), (5, 0, 9, 20), (2, 6, 28, 5)):
        for share in (0, 0.05, 0.6, 1):
            mask = np.zeros((20, 30), dtype=bool)
            inside = random.random((down, across)) < share
            mask[top : top + down, left : left + across] = inside
            pixels = inside.astype(int).ravel().tolist()
            encoded = page.evaluate(ENCODE, [pixels, [left, top, across, down], 20, 30])
            if not mask.any():
                assert encoded is None
                continue
            code = coco_mask.encode(np.asfortranarray(mask, dtype=np.uint8))
            assert encoded["counts"] == code["counts"].decode()
            assert encoded["again"] == encoded["ends"]
            assert encoded["bbox"] == coco_mask.toBbox(code).tolist()
            assert encoded["area"] == mask.sum()


def test_iou_is_that_of_the_reference(page: Page) -> None:
    random = np.random.default_rng(2)
    for share in (0.1, 0.5, 0.9):
        masks = [np.asfortranarray(random.random((23, 31)) < share, dtype=np.uint8) for _ in "ab"]
        masks[1][:, :9] = 0
        codes = [coco_mask.encode(mask) for mask in masks]
        sent = [
            {
                "rle": {"size": [23, 31], "counts": code["counts"].decode()},
                "bbox": coco_mask.toBbox(code).tolist(),
                "area": int(mask.sum()),
            }
            for code, mask in zip(codes, masks, strict=True)
        ]
        wanted = coco_mask.iou(codes[:1], codes[1:], [False])[0, 0]
        assert page.evaluate(IOU, sent) == pytest.approx(wanted)
