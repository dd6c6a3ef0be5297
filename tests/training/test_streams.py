import re
import zlib
from collections import Counter
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ray_wssis.training.streams import (
    LoadedStreams,
    Stream,
    StreamSampler,
    check_quotas,
    draw,
    seeds_of,
)

LYING = np.zeros(10, dtype=bool)
MIXED = np.array([False, True, True, False, False, True, False, False, False, False])


class Draws:
    """Samples, each of which is its index and one random number."""

    def __init__(self, upright: NDArray[np.bool_] = LYING) -> None:
        self.upright = upright

    def __len__(self) -> int:
        return len(self.upright)

    def orientations(self) -> NDArray[np.bool_]:
        return self.upright

    def collate(self, samples: list[Any]) -> Any:
        return samples

    def sample(self, index: int, rng: np.random.Generator) -> Any:
        return index, rng.random()


def keys(
    steps: range,
    rank: int = 0,
    world: int = 1,
    seed: int = 0,
    upright: NDArray[np.bool_] = LYING,
) -> list[list[tuple[int, int]]]:
    return list(StreamSampler(upright, 4, [seed], steps, rank, world))


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
        batches = list(StreamSampler(upright, 8, [0], steps, 0, 1))
        mixed = [batch for batch in batches if len({upright[index] for _, index in batch}) > 1]
        assert len(mixed) <= 2


def test_orientations_take_turns_by_chance() -> None:
    upright = np.arange(400) < 200
    batches = list(StreamSampler(upright, 4, [0], range(1, 101), 0, 1))
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
    assert draw(Draws(), [0], (0, 3)) == draw(Draws(), [0], (0, 3))
    drawn = {draw(Draws(), [seed], (epoch, 3)) for seed in (0, 1) for epoch in (0, 1)}
    assert len(drawn) == 4


def test_the_only_stream_is_what_it_always_was() -> None:
    """Recorded before there were streams: runs of then can be repeated."""
    streams = LoadedStreams({"whatever": Stream(lambda: Draws(MIXED), 4)}, seed=7)
    assert [keys["whatever"] for keys in streams.sampler(range(1, 7))] == [
        [(0, 8), (0, 0), (0, 7), (0, 3)],
        [(0, 1), (0, 2), (0, 5), (0, 6)],
        [(0, 4), (0, 9), (1, 9), (1, 0)],
        [(1, 8), (1, 6), (1, 7), (1, 3)],
        [(1, 1), (1, 2), (1, 5), (1, 4)],
        [(2, 3), (2, 4), (2, 6), (2, 9)],
    ]
    assert streams.batches({"whatever": [(0, 3), (1, 3), (2, 0)]}) == {
        "whatever": [(3, 0.7765778436824163), (3, 0.5167858979187351), (0, 0.277970282193581)]
    }


def two_streams(seed: int = 0) -> LoadedStreams:
    lying = np.zeros(5, dtype=bool)
    streams = {
        "strong": Stream(lambda: Draws(lying[:3]), 2),
        "weak": Stream(lambda: Draws(lying), 4),
    }
    return LoadedStreams(streams, seed)


def slow_keys(name: str, num: int, quota: int, step: int, seed: int) -> list[tuple[int, int]]:
    """The whole order of a stream up to a step, and the end of it."""
    order: list[tuple[int, int]] = []
    for epoch in range(step * quota):
        rng = np.random.default_rng([seed, zlib.crc32(name.encode()), epoch])
        order += [(epoch, int(index)) for index in rng.permutation(num)]
    return order[(step - 1) * quota : step * quota]


def test_streams_cycle_at_their_own_pace() -> None:
    steps = range(1, 10)
    assert list(two_streams(seed=3).sampler(steps)) == [
        {"strong": slow_keys("strong", 3, 2, step, 3), "weak": slow_keys("weak", 5, 4, step, 3)}
        for step in steps
    ]


def test_streams_continue_after_a_step() -> None:
    sampler, later = two_streams().sampler(range(1, 9)), two_streams().sampler(range(6, 9))
    assert list(sampler)[5:] == list(later)


def test_workers_share_the_quota_of_each_stream() -> None:
    alone = list(two_streams().sampler(range(1, 9)))
    first, second = (list(two_streams().sampler(range(1, 9), rank, 2)) for rank in (0, 1))
    for step, batch in enumerate(alone):
        for name, quota in (("strong", 1), ("weak", 2)):
            shares = [first[step][name], second[step][name]]
            assert [len(share) for share in shares] == [quota, quota]
            assert sorted(shares[0] + shares[1]) == sorted(batch[name])


def test_streams_draw_the_same_position_differently() -> None:
    drawn = two_streams().batches({"strong": [(0, 1)], "weak": [(0, 1)]})
    assert drawn["strong"] != drawn["weak"]
    rng = np.random.default_rng([0, zlib.crc32(b"weak"), 0, 1])
    assert drawn["weak"] == [(1, rng.random())]
    assert seeds_of(["strong", "weak"], 0) != seeds_of(["strong", "weak"], 1)


@pytest.mark.parametrize(
    ("quotas", "batch_size", "message"),
    [
        (
            {"images": 4},
            4,
            "stream images takes 4 samples per step, which cannot be shared by 3 workers; "
            "make it a multiple of 6",
        ),
        (
            {"strong": 12, "weak": 4},
            16,
            "stream weak takes 4 samples per step, which cannot be shared by 3 workers; "
            "make it a multiple of 6",
        ),
        (
            {"strong": 0, "weak": 4},
            4,
            "stream strong takes 0 samples per step; it needs at least one",
        ),
        (
            {"strong": 6, "weak": 12},
            16,
            "training.batch_size is 16, but a step takes strong 6 + weak 12 = 18 samples; "
            "make them equal",
        ),
    ],
)
def test_quotas_that_do_not_fit_are_refused(
    quotas: dict[str, int], batch_size: int, message: str
) -> None:
    streams = {name: Stream(Draws, quota) for name, quota in quotas.items()}
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        check_quotas(streams, batch_size, range(2, 4))


def test_nothing_to_learn_from_is_refused() -> None:
    streams = LoadedStreams({"images": Stream(lambda: Draws(LYING[:0]), 4)}, 0)
    with pytest.raises(ValueError, match="stream images: the training set is empty"):
        streams.sampler(range(1, 2))
