"""Masks compared as bits and drawn as needed, against all masks drawn and every pair compared."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from ray_wssis.methods.point_wssis.repick import Places, Words, choose_apart
from ray_wssis.models.solov2_inference import pack_bits

MAX_IOU = 0.8
SHAPE = (11, 13)  # 143 pixels: not a whole number of words


class Scene:
    """Candidates of `num_objects` x `num_each`, many of them nearly equal, some with one score."""

    def __init__(self, seed: int, num_objects: int, num_each: int) -> None:
        rng = np.random.default_rng(seed)
        num = num_objects * num_each
        shapes = rng.random((4, *SHAPE)) < rng.uniform(0.1, 0.8, (4, 1, 1))
        noise = rng.random((num, *SHAPE)) < rng.choice([0, 0.03, 0.1], (num, 1, 1))
        self.masks = shapes[rng.integers(0, 4, num)] ^ noise
        self.score = (rng.integers(0, 40, num) / 40).astype(np.float32)
        self.owner = np.arange(num) // num_each
        first = self.score.reshape(num_objects, num_each).argmax(axis=1)
        self.drawn = np.arange(num_objects) * num_each + first
        self.drawn_later: list[int] = []

    def draw(self, candidates: Places) -> Words:
        self.drawn_later += candidates.tolist()
        return pack_bits(torch.from_numpy(self.masks[candidates]))

    def choose(self, max_iou: float = MAX_IOU) -> list[int]:
        words = pack_bits(torch.from_numpy(self.masks[self.drawn]))
        chosen = choose_apart(self.score, self.owner, self.drawn, words, self.draw, max_iou)
        return [int(place) for place in chosen]

    def choose_slowly(self) -> list[int]:
        """Everything is drawn; better candidates come first; every pair is compared."""
        kept: dict[int, int] = {}
        for place in sorted(range(len(self.score)), key=lambda place: -self.score[place]):
            free = all(iou(self.masks[place], self.masks[k]) <= MAX_IOU for k in kept.values())
            if free and self.score[place] > 0:
                kept.setdefault(int(self.owner[place]), place)
        return [kept.get(owner, -1) for owner in range(int(self.owner.max()) + 1)]


def iou(mask: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    return int((mask & other).sum()) / max(int((mask | other).sum()), 1)


@pytest.mark.parametrize("seed", range(20))
def test_no_equal_is_missed_and_no_other_is_refused(seed: int) -> None:
    scene = Scene(seed, num_objects=25, num_each=5)
    expected = scene.choose_slowly()
    assert scene.choose() == expected
    assert any(place not in scene.drawn for place in expected)


def test_no_two_kept_masks_are_the_same() -> None:
    scene = Scene(seed=0, num_objects=40, num_each=5)
    kept = [scene.masks[place] for place in scene.choose() if place >= 0]
    assert len(kept) > 4
    assert max(iou(mask, other) for i, mask in enumerate(kept) for other in kept[:i]) <= MAX_IOU


def test_only_what_may_be_wanted_is_drawn_and_once() -> None:
    scene = Scene(seed=1, num_objects=30, num_each=5)
    chosen = scene.choose()
    later = scene.drawn_later
    assert len(later) == len(set(later))
    assert not set(later) & set(scene.drawn.tolist())
    assert {place for place in chosen if place >= 0} <= {*later, *scene.drawn.tolist()}
    refused = {owner for owner, place in enumerate(chosen) if place != scene.drawn[owner]}
    assert 0 < len(refused) < 30
    assert refused & set(scene.owner[later].tolist())
    assert len(later) < 4 * 30


def test_objects_that_do_not_meet_keep_their_best_and_nothing_is_drawn() -> None:
    scene = Scene(seed=2, num_objects=3, num_each=4)
    scene.score = np.maximum(scene.score, 0.01).astype(np.float32)
    for row, place in enumerate(scene.drawn):
        scene.masks[place] = False
        scene.masks[place, row] = True
    assert scene.choose() == scene.drawn.tolist()
    assert scene.drawn_later == []


def test_the_weaker_one_takes_its_next_best_and_then_none() -> None:
    square, corner = np.zeros((2, *SHAPE), dtype=np.bool_)
    square[2:6, 2:6] = corner[9:, 9:] = True
    scene = Scene(seed=0, num_objects=3, num_each=2)
    scene.masks = np.stack([square, corner, square, square, square, corner])
    scene.score = np.array([0.7, 0.6, 0.9, 0.1, 0.5, 0.4], dtype=np.float32)
    scene.drawn = np.array([0, 2, 4])
    assert scene.choose() == [1, 2, -1]
    assert scene.choose(max_iou=1) == [0, 2, 4]


def test_of_equal_scores_the_first_object_keeps_the_mask() -> None:
    scene = Scene(seed=0, num_objects=2, num_each=1)
    scene.masks[:] = scene.masks[0]
    scene.score[:] = 0.5
    assert scene.choose() == [0, -1]
