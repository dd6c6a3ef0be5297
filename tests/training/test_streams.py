from collections import Counter
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ray_wssis.training.streams import SeededSamples, StepSampler

LYING = np.zeros(10, dtype=bool)
MIXED = np.array([False, True, True, False, False, True, False, False, False, False])


class Draws:
    """Ten samples, each of which is its index and one random number."""

    def __len__(self) -> int:
        return 10

    def orientations(self) -> NDArray[np.bool_]:
        return LYING

    def sample(self, index: int, rng: np.random.Generator) -> Any:
        return index, rng.random()


def keys(
    steps: range,
    rank: int = 0,
    world: int = 1,
    seed: int = 0,
    upright: NDArray[np.bool_] = LYING,
) -> list[list[tuple[int, int]]]:
    return list(StepSampler(upright, 4, seed, steps, rank, world))


@pytest.mark.parametrize("upright", [LYING, ~LYING, MIXED])
def test_every_epoch_shows_every_sample_once(upright: NDArray[np.bool_]) -> None:
    seen = Counter(key for batch in keys(range(1, 6), upright=upright) for key in batch)
    assert seen == Counter((epoch, index) for epoch in (0, 1) for index in range(10))


def test_epochs_have_different_orders() -> None:
    flat = [index for batch in keys(range(1, 6)) for _, index in batch]
    assert flat[:10] != flat[10:]


@pytest.mark.parametrize("num_upright", [0, 1, 37, 60, 100])
def test_all_batches_of_an_epoch_but_two_are_of_one_orientation(num_upright: int) -> None:
    upright = np.random.default_rng(0).permutation(100) < num_upright
    for epoch in range(4):  # 100 samples are not a number of batches of 8
        steps = range(100 * epoch // 8 + 1, 100 * (epoch + 1) // 8 + 1)
        batches = list(StepSampler(upright, 8, 0, steps, 0, 1))
        mixed = [batch for batch in batches if len({upright[index] for _, index in batch}) > 1]
        assert len(mixed) <= 2


def test_orientations_take_turns_by_chance() -> None:
    upright = np.arange(400) < 200
    batches = list(StepSampler(upright, 4, 0, range(1, 101), 0, 1))
    kinds = [bool(upright[batch[0][1]]) for batch in batches]
    changes = sum(a != b for a, b in pairwise(kinds))
    assert 30 < changes < 70


@pytest.mark.parametrize("upright", [LYING, MIXED])
def test_going_on_after_a_step_gives_the_same_batches(upright: NDArray[np.bool_]) -> None:
    assert keys(range(1, 9), upright=upright)[5:] == keys(range(6, 9), upright=upright)


@pytest.mark.parametrize("world", [2, 4])
@pytest.mark.parametrize("upright", [LYING, MIXED])
def test_workers_share_the_batch_of_one_worker(world: int, upright: NDArray[np.bool_]) -> None:
    alone = keys(range(1, 8), upright=upright)
    shares = [keys(range(1, 8), rank, world, upright=upright) for rank in range(world)]
    for step, batch in enumerate(alone):
        assert sorted(key for share in shares for key in share[step]) == sorted(batch)


def test_a_sample_is_drawn_alike_in_any_worker_and_differently_in_each_epoch() -> None:
    assert SeededSamples(Draws(), 0)[(0, 3)] == SeededSamples(Draws(), 0)[(0, 3)]
    drawn = {SeededSamples(Draws(), seed)[(epoch, 3)] for seed in (0, 1) for epoch in (0, 1)}
    assert len(drawn) == 4


def test_a_batch_that_cannot_be_shared_is_refused() -> None:
    with pytest.raises(ValueError, match=r"batch_size is 4 .* by 3 workers; make it a multiple"):
        StepSampler(LYING, 4, 0, range(1, 2), 0, 3)


def test_nothing_to_learn_from_is_refused() -> None:
    with pytest.raises(ValueError, match="the training set is empty"):
        StepSampler(LYING[:0], 4, 0, range(1, 2), 0, 1)
