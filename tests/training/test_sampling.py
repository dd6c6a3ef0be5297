from collections import Counter
from typing import Any

import numpy as np
import pytest

from ray_wssis.training.sampling import SeededSamples, StepSampler


class Draws:
    """Ten samples, each of which is its index and one random number."""

    def __len__(self) -> int:
        return 10

    def sample(self, index: int, rng: np.random.Generator) -> Any:
        return index, rng.random()


def keys(steps: range, rank: int = 0, world: int = 1, seed: int = 0) -> list[list[tuple[int, int]]]:
    return list(StepSampler(10, 4, seed, steps, rank, world))


def test_every_epoch_shows_every_sample_once() -> None:
    seen = Counter(key for batch in keys(range(1, 6)) for key in batch)
    assert seen == Counter((epoch, index) for epoch in (0, 1) for index in range(10))


def test_epochs_have_different_orders() -> None:
    flat = [index for batch in keys(range(1, 6)) for _, index in batch]
    assert flat[:10] != flat[10:]


def test_going_on_after_a_step_gives_the_same_batches() -> None:
    assert keys(range(1, 9))[5:] == keys(range(6, 9))


@pytest.mark.parametrize("world", [2, 4])
def test_workers_share_the_batch_of_one_worker(world: int) -> None:
    alone = keys(range(1, 8))
    shares = [keys(range(1, 8), rank, world) for rank in range(world)]
    for step, batch in enumerate(alone):
        assert sorted(key for share in shares for key in share[step]) == sorted(batch)


def test_a_sample_is_drawn_alike_in_any_worker_and_differently_in_each_epoch() -> None:
    assert SeededSamples(Draws(), 0)[(0, 3)] == SeededSamples(Draws(), 0)[(0, 3)]
    drawn = {SeededSamples(Draws(), seed)[(epoch, 3)] for seed in (0, 1) for epoch in (0, 1)}
    assert len(drawn) == 4


def test_a_batch_that_cannot_be_shared_is_refused() -> None:
    with pytest.raises(ValueError, match=r"batch_size is 4 .* by 3 workers; make it a multiple"):
        StepSampler(10, 4, 0, range(1, 2), 0, 3)


def test_nothing_to_learn_from_is_refused() -> None:
    with pytest.raises(ValueError, match="the training set is empty"):
        StepSampler(0, 4, 0, range(1, 2), 0, 1)
