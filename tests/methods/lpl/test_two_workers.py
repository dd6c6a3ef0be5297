"""Two workers that share each batch learn what one learns from all of it."""

from pathlib import Path

import torch

from ray_wssis.methods.lpl.learner import LPLLearner
from tests.support.tiny_semantic import WITHOUT_BATCH_NORM, batch
from tests.support.two_workers import Learnt, check_two_learn_as_one, take_steps

STEPS = 3


def learn(rank: int, world: int) -> Learnt:
    torch.manual_seed(0)
    learner = LPLLearner(WITHOUT_BATCH_NORM, 3)
    learner.judge.counts.copy_(1e5 * torch.tensor([[9, 8, 7], [9, 8, 7], [8.5, 7.9, 6]]))
    batches = []
    for step in range(STEPS):
        strong = batch(4, [[True, True, False]] * 4, 2 * step)
        weak = batch(4, [[True, False, True], [True, True, False]] * 2, 2 * step + 1)
        strong.class_maps[1, 9:] = 255  # the workers know different numbers of pixels
        weak.inside[2, 5:] = False
        batches.append({"strong": strong, "weak": weak})
    weights = next(iter(learner.hybrid.heads.parameters()))
    return take_steps(learner, batches, weights, rank, world)


def test_two_workers_learn_what_one_learns(tmp_path: Path) -> None:
    assert min(check_two_learn_as_one(learn, tmp_path).losses) > 1e-3
