"""Two workers that share each batch learn what one learns: methods for images without labels, and
classifiers of tags.

Changes that are drawn for each image are switched off, as each worker draws its own.
"""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from ray_wssis.methods.cam.config import SEAM, Puzzle
from ray_wssis.methods.cam.learner import TAGGED, ClassifierLearner
from ray_wssis.methods.self_training.dynamic import DynamicLearner
from ray_wssis.methods.semi_supervised import unimatch
from ray_wssis.methods.semi_supervised.config import CPS, MeanTeacher, StrongView, UniMatch
from ray_wssis.methods.semi_supervised.cps import CPSLearner
from ray_wssis.methods.semi_supervised.mean_teacher import MeanTeacherLearner
from ray_wssis.methods.semi_supervised.unimatch import UniMatchLearner
from ray_wssis.semantic.learner import SemanticLearner
from tests.support.tiny_cam import with_regulariser
from tests.support.tiny_semantic import WITHOUT_BATCH_NORM, batch
from tests.support.two_workers import Learnt, check_two_learn_as_one, take_steps

K = 3
STEPS = 2
SAME = StrongView(jitter=0, grey=0, blur=0)
LEARNERS: dict[str, Callable[[], nn.Module]] = {
    "cps": lambda: CPSLearner(WITHOUT_BATCH_NORM, CPS(cutmix=False), K),
    "mean_teacher": lambda: MeanTeacherLearner(
        WITHOUT_BATCH_NORM, MeanTeacher(strong_view=SAME), K
    ),
    "unimatch": lambda: UniMatchLearner(
        WITHOUT_BATCH_NORM, UniMatch(threshold=0.3, cutmix=0, strong_view=SAME), K
    ),
    "threshold, cbst, dars": lambda: SemanticLearner(WITHOUT_BATCH_NORM, K),
    "dmt": lambda: DynamicLearner(WITHOUT_BATCH_NORM, 5, K),
    "cam": lambda: ClassifierLearner(with_regulariser(None), K, 0),
    "puzzle": lambda: ClassifierLearner(with_regulariser(Puzzle(ramp_steps=4)), K, 0),
    "seam": lambda: ClassifierLearner(with_regulariser(SEAM()), K, 0),
}


def same_channels(num_images: int, num_channels: int) -> torch.Tensor:
    return torch.ones(2 * num_images, num_channels, 1, 1)


def trained(learner: nn.Module) -> list[nn.Parameter]:
    return [parameter for parameter in learner.parameters() if parameter.requires_grad]


def learn(rank: int, world: int) -> Learnt:
    """Let one learner after the other take some steps."""
    losses, weights = [], []
    for name, create in LEARNERS.items():
        torch.manual_seed(0)
        learner = create().train()
        other = "pseudo" if isinstance(learner, SemanticLearner | DynamicLearner) else "unlabelled"
        batches = []
        for step in range(STEPS):
            strong, more = (batch(4, [[True] * K] * 4, 2 * step + i) for i in range(2))
            strong.class_maps[1, 9:] = 255  # the workers know different numbers of pixels
            more.class_maps[0, :5] = 255
            more.inside[2, 5:] = False
            more.is_tagged[2] = False
            more.tags[1, 2] = False
            given = {"strong": strong, other: more}
            batches.append({TAGGED: more} if isinstance(learner, ClassifierLearner) else given)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(unimatch, "complementary", same_channels)
            found = take_steps(learner, batches, trained(learner)[-1], rank, world)
        assert len(found.losses) >= STEPS, name
        losses += found.losses
        weights.append(found.weights.flatten())
    return Learnt(losses, torch.cat(weights))


def test_two_workers_learn_what_one_learns(tmp_path: Path) -> None:
    losses = check_two_learn_as_one(learn, tmp_path).losses
    assert sum(loss < 1e-6 for loss in losses) <= 1  # at first a teacher sees what its student sees
