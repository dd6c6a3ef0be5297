"""Tests of ray_wssis.metrics.separation."""

import numpy as np
import pytest

from ray_wssis.masks import encode
from ray_wssis.metrics.separation import Separation

HEIGHT, WIDTH = 4, 12


def mask(*columns: int) -> bytes:
    drawn = np.zeros((HEIGHT, WIDTH), bool)
    drawn[:, list(columns)] = True
    return encode(drawn)


LEFT, RIGHT = mask(0, 1, 2, 3), mask(6, 7, 8, 9)


@pytest.mark.parametrize(
    ("instances", "merged", "split"),
    [
        ([], 0, 0),
        ([LEFT, RIGHT], 0, 0),
        ([mask(*range(12))], 2, 0),  # one over both
        ([mask(2, 3, 4, 5, 6, 7)], 2, 0),  # half of each
        ([mask(3, 4, 5, 6, 7)], 0, 0),  # a quarter of one
        ([mask(0, 1), mask(2, 3), RIGHT], 0, 1),
        ([mask(0, 1), mask(2, 3), mask(6, 7), mask(8, 9)], 0, 2),
        ([mask(0, 1), mask(3, 4, 5)], 0, 0),  # the second one lies beside the object
        ([mask(*range(12)), LEFT, RIGHT], 2, 0),
    ],
)
def test_objects_are_merged_or_split(instances: list[bytes], merged: int, split: int) -> None:
    found = Separation.of([LEFT, RIGHT], instances, HEIGHT, WIDTH)
    assert found == Separation(objects=2, merged=merged, split=split)


def test_specks_are_no_parts() -> None:
    speck = np.zeros((HEIGHT, WIDTH), bool)
    speck[0, 0] = True  # a sixteenth of the object
    rest = encode(~speck & (np.arange(WIDTH) < 4))
    assert Separation.of([LEFT], [encode(speck), rest], HEIGHT, WIDTH).split == 0


def test_counts_add_up_to_shares() -> None:
    one = Separation.of([LEFT, RIGHT], [mask(*range(12))], HEIGHT, WIDTH)
    other = Separation.of([LEFT, RIGHT], [mask(0, 1), mask(2, 3)], HEIGHT, WIDTH)
    assert (one + other).figures() == {"merged": 50.0, "split": 25.0}
    assert np.isnan(Separation.of([], [LEFT], HEIGHT, WIDTH).figures()["merged"])
