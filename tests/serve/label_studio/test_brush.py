"""Tests of `wssis_serve.label_studio.brush`.

`golden/brush.json` was written by Label Studio: by the converter of label-studio-sdk 2.1.2, and the
last one by the editor of label-studio 1.23.2.  The pixels are what that converter reads from it.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from wssis_serve.label_studio.brush import to_brush

from ray_wssis import masks
from ray_wssis.data.imports.brush import from_brush

GOLDEN = json.loads((Path(__file__).parent / "golden/brush.json").read_text())
SOME_MASK = st.tuples(st.integers(1, 12), st.integers(1, 40)).flatmap(
    lambda shape: arrays(np.bool_, shape)
)

each_golden = pytest.mark.parametrize("golden", GOLDEN, ids=lambda golden: str(golden["name"]))


def slowly_read(codes: list[int]) -> list[int]:
    """All values of a brush code, bit by bit."""
    bits = iter("".join(f"{code:08b}" for code in codes))

    def read(num: int) -> int:
        return int("".join(next(bits) for _ in range(num)), 2)

    num_values, value_bits = read(32), read(5) + 1
    sizes = [read(4) + 1 for _ in range(4)]
    values: list[int] = []
    while len(values) < num_values:
        is_run = read(1)
        length = read(sizes[read(2)]) + 1
        values += (
            [read(value_bits)] * length if is_run else [read(value_bits) for _ in range(length)]
        )
    return values


def packed(*fields: tuple[int, int]) -> list[int]:
    """Bytes of numbers, each (number, bits)."""
    bits = "".join(f"{number:0{num}b}" for number, num in fields)
    bits += "0" * (-len(bits) % 8)
    return [int(bits[i : i + 8], 2) for i in range(0, len(bits), 8)]


def head(num_values: int, value_bits: int = 8, *sizes: int) -> list[tuple[int, int]]:
    return [
        (num_values, 32),
        (value_bits - 1, 5),
        *((size - 1, 4) for size in sizes or (3, 4, 8, 16)),
    ]


@each_golden
def test_reads_what_label_studio_writes(golden: dict[str, Any]) -> None:
    counts = from_brush(golden["brush"], golden["height"], golden["width"])
    assert counts == golden["counts"].encode()


@pytest.mark.parametrize("golden", GOLDEN[:-2], ids=lambda golden: str(golden["name"]))
def test_writes_what_label_studio_writes(golden: dict[str, Any]) -> None:
    codes = to_brush(golden["counts"].encode(), golden["height"], golden["width"])
    assert codes == golden["brush"][: len(codes)]
    assert golden["brush"][len(codes) :] in ([], [0])  # it fills up full bytes, too


@given(SOME_MASK)
def test_a_mask_comes_back(mask: masks.Mask) -> None:
    counts = masks.encode(mask)
    assert from_brush(to_brush(counts, *mask.shape), *mask.shape) == counts


@given(SOME_MASK)
def test_all_four_channels_are_full_inside_and_empty_outside(mask: masks.Mask) -> None:
    values = slowly_read(to_brush(masks.encode(mask), *mask.shape))
    assert values == np.repeat(255 * mask.astype(int), 4).tolist()


def test_one_pixel_bit_by_bit() -> None:
    counts = masks.encode(np.array([[False, True], [False, False]]))
    run = [(1, 1), (0, 2)]
    assert to_brush(counts, 2, 2) == packed(
        *head(16),
        *run, (4 - 1, 3), (0, 8),
        *run, (4 - 1, 3), (255, 8),
        *run, (8 - 1, 3), (0, 8),
    )  # fmt: skip


def test_values_and_run_lengths_may_have_any_number_of_bits() -> None:
    nothing, literal = (0, 1), [(4, 3), (4, 3), (4, 3), (1, 3), (0, 3), (0, 3), (0, 3), (0, 3)]
    codes = packed(
        *head(16, 3, 1, 2, 3, 5),
        (1, 1), (3, 2), (8 - 1, 5), (5, 3),  # two pixels with alpha 5
        nothing, (2, 2), (8 - 1, 3), *literal,  # then one with alpha 1 and one with alpha 0
    )  # fmt: skip
    assert from_brush(codes, 2, 2) == masks.encode(np.array([[True, True], [True, False]]))


def test_only_alpha_counts() -> None:
    colours = [(255, 8), (255, 8), (255, 8), (0, 8)]
    codes = packed(*head(8), (0, 1), (0, 2), (4 - 1, 3), *colours, (1, 1), (0, 2), (3, 3), (9, 8))
    assert from_brush(codes, 1, 2) == masks.encode(np.array([[False, True]]))


@pytest.mark.parametrize(
    ("codes", "message"),
    [
        ([], "ends too early"),
        (packed(*head(16)), "ends too early"),
        (packed(*head(16), (1, 1), (3, 2), (15, 16)), "ends too early"),
        (packed(*head(16), (0, 1), (3, 2), (15, 16), (0, 8)), "ends too early"),
        (packed(*head(20)), "a brush code of 20 values; an image of 2 x 2 pixels has 16"),
        (packed(*head(16), (1, 1), (3, 2), (16, 16), (0, 8)), "runs cover 17 values, of 16"),
        ([256], "numbers from 0 to 255"),
        ([-1], "numbers from 0 to 255"),
        (["1"], "numbers from 0 to 255"),
        (7, "a list of bytes, found 7"),
    ],
)
def test_refuses_what_is_no_brush_code(codes: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        from_brush(codes, 2, 2)


@given(st.lists(st.integers(0, 255), max_size=40))
def test_any_bytes_are_a_mask_or_refused(tail: list[int]) -> None:
    codes = [0, 0, 0, 24, *tail]  # as many values as 2 x 3 pixels have
    try:
        counts = from_brush(codes, 2, 3)
    except ValueError:
        return
    assert masks.encode(np.array(slowly_read(codes)[3:24:4]).reshape(2, 3)) == counts


def test_refuses_counts_of_another_size() -> None:
    with pytest.raises(ValueError, match="runs cover 6 pixels"):
        to_brush(masks.encode(np.ones((2, 3))), 2, 2)


def test_refuses_more_pixels_than_the_head_can_count() -> None:
    with pytest.raises(ValueError, match="too many"):
        to_brush(b"", 2**15, 2**15)
