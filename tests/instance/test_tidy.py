"""Masks without specks, pinholes and overlaps."""

import numpy as np
import pytest
from numpy.typing import NDArray

from ray_wssis.instance.label_row import complete
from ray_wssis.instance.tidy import tidied, without_overlaps, without_specks
from ray_wssis.instance.tidy_config import AS_DRAWN, TidyConfig
from ray_wssis.masks import area, decode, encode, run_lengths

SIZE = (30, 40)


def blank() -> NDArray[np.bool_]:
    return np.zeros(SIZE, np.bool_)


def box(x0: int, y0: int, x1: int, y1: int) -> bytes:
    mask = blank()
    mask[y0:y1, x0:x1] = True
    return encode(mask)


def test_islands_and_holes_of_few_pixels_go() -> None:
    mask = blank()
    mask[5:25, 5:25] = True
    wanted = mask.copy()
    mask[10, 10] = False  # a pinhole
    mask[0, 0] = mask[28, 38] = True  # specks
    tidy = without_specks(encode(mask), *SIZE, share=0.02)
    assert np.array_equal(decode(tidy, *SIZE), wanted)
    assert len(run_lengths(tidy)) < len(run_lengths(encode(mask)))


def test_larger_islands_and_holes_stay() -> None:
    mask = blank()
    mask[5:25, 5:25] = True
    mask[10:14, 10:14] = False
    mask[0:4, 30:34] = True
    assert without_specks(encode(mask), *SIZE, share=0.02) == encode(mask)
    assert area(without_specks(encode(mask), *SIZE, share=0.1), *SIZE) == 400


def test_the_largest_island_stays_however_small() -> None:
    mask = blank()
    mask[0, 0:2] = mask[10, 10:12] = mask[20, 20:23] = True
    tidy = decode(without_specks(encode(mask), *SIZE, share=0.49), *SIZE)
    assert tidy.sum() == 3 and tidy[20, 20:23].all()


def test_a_bay_that_reaches_the_border_of_the_mask_is_no_hole() -> None:
    mask = blank()
    mask[5:25, 5:25] = True
    mask[5:8, 10] = False
    assert without_specks(encode(mask), *SIZE, share=0.1) == encode(mask)


def test_masks_without_pixels_stay() -> None:
    assert without_specks(encode(blank()), *SIZE, share=0.1) == encode(blank())
    assert tidied([None], TidyConfig(specks=0.1, exclusive=True), *SIZE) == [None]
    assert tidied([], TidyConfig(exclusive=True), *SIZE) == []


def slow_without_overlaps(drawn: list[bytes | None]) -> list[NDArray[np.bool_] | None]:
    """Pixel by pixel: the smallest mask that has it, of equal ones the first."""
    pixels = [None if mask is None else decode(mask, *SIZE) for mask in drawn]
    cut = [None if mask is None else blank() for mask in pixels]
    for y in range(SIZE[0]):
        for x in range(SIZE[1]):
            having = [i for i, mask in enumerate(pixels) if mask is not None and mask[y, x]]
            if having:
                best = min(having, key=lambda i: (int(pixels[i].sum()), i))  # type: ignore[union-attr]
                cut[best][y, x] = True  # type: ignore[index]
    return [None if mask is None or not mask.any() else mask for mask in cut]


def test_no_pixel_belongs_to_two_masks_and_the_smaller_one_keeps_it() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        drawn: list[bytes | None] = [None]
        for _ in range(6):
            x, y, width, height = rng.integers([0, 0, 1, 1], [30, 20, 12, 10]).tolist()
            drawn.append(box(x, y, x + width, y + height))
        areas = [0 if mask is None else area(mask, *SIZE) for mask in drawn]
        found = without_overlaps(drawn, areas, *SIZE)
        wanted = slow_without_overlaps(drawn)
        for ours, theirs in zip(found, wanted, strict=True):
            assert (ours is None) == (theirs is None)
            if ours is not None and theirs is not None:
                assert np.array_equal(decode(ours, *SIZE), theirs)


def row_of(*drawn: bytes, labels: list[int] | None = None) -> dict[str, object]:
    return {
        "height": SIZE[0],
        "width": SIZE[1],
        "x": [20.5] * len(drawn),
        "y": [15.5] * len(drawn),
        "label": labels or [0] * len(drawn),
        "rough": list(drawn),
        "refined": list(drawn),
    }


def test_a_row_tells_of_the_masks_that_were_drawn_and_holds_tidy_ones() -> None:
    row = row_of(box(5, 5, 30, 25), box(15, 10, 25, 20))
    assert complete(row)["area"] == [500, 100]
    tidy = complete(row, TidyConfig(exclusive=True))
    assert tidy["area"] == [400, 100] and tidy["rough"] == tidy["refined"]
    assert tidy["point_inside"] == [False, True]
    assert tidy["flags"] == [["point outside"], ["nested"]]
    assert tidy["agreement"] == [1, 1]


@pytest.mark.parametrize(
    ("inner", "labels", "flags"),
    [
        (box(15, 10, 25, 20), [0, 0], ["nested"]),
        (box(15, 10, 25, 20), [0, 1], []),  # of another class
        (box(20, 10, 31, 20), [0, 0], ["nested"]),  # ten elevenths of it
        (box(22, 10, 32, 20), [0, 0], ["point outside"]),
        (box(5, 6, 30, 25), [0, 0], ["duplicate"]),
    ],
)
def test_a_mask_inside_another_one_of_its_class_is_nested(
    inner: bytes, labels: list[int], flags: list[str]
) -> None:
    found = complete(row_of(box(5, 5, 30, 25), inner, labels=labels))["flags"]
    assert found[1] == flags


def test_nothing_changes_unless_it_is_wanted() -> None:
    assert not AS_DRAWN.changes and AS_DRAWN.made_from == ""
    assert TidyConfig(specks=0.02).made_from == " specks 0.02 exclusive False"
