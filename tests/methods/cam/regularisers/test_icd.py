"""ICD: directions, their sides, and the branch."""

import numpy as np
import pytest
import torch

from ray_wssis.methods.cam.config import ICD
from ray_wssis.methods.cam.regularisers.icd import IntraClassDiscriminator, explained

INSIDE = torch.ones(4, 1, 6, 6)
ALONE = torch.tensor([[False, True, False]] * 4)


def method() -> IntraClassDiscriminator:
    torch.manual_seed(0)
    return IntraClassDiscriminator(ICD(), (1, 2), 5, 3)


def test_the_direction_becomes_the_first_principal_component() -> None:
    own, rng = method(), np.random.default_rng(0)
    stretched = rng.normal(size=(4 * 36, 5)) * [5, 1, 1, 1, 1] @ np.linalg.qr(rng.random((5, 5)))[0]
    features = torch.tensor(stretched, dtype=torch.float32).view(4, 6, 6, 5).permute(0, 3, 1, 2)
    optimizer = torch.optim.SGD([own.directions], lr=0.5)
    for _ in range(200):
        loss = -explained(own.scores(features), features, ALONE, INSIDE)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    component = np.linalg.svd(stretched)[2][0]
    found = own.directions[1].detach().numpy()
    assert abs(found @ component) / np.linalg.norm(found) == pytest.approx(1, abs=1e-3)


def test_images_of_several_classes_say_nothing_about_directions() -> None:
    own, features = method(), torch.rand(4, 5, 6, 6)
    none = torch.zeros(4, 3, dtype=torch.bool)
    assert explained(own.scores(features), features, none, INSIDE).item() == 0


def test_the_side_with_more_activation_is_the_object() -> None:
    own = method().train()
    scores = torch.ones(4, 3, 6, 6)
    scores[:, :, 3:] = -1
    maps = (scores < 0).float()  # the object lies on the negative side
    own.follow(maps, scores, ALONE, INSIDE)
    assert own.sides[1].tolist() == pytest.approx([0, 0.1]) and not own.sides[2].any()
    features, branch = torch.randn(4, 5, 6, 6), own.branch
    shows = ALONE.clone()
    logits = branch(features)[:, 1]
    wanted = (scores[:, 1] < 0).float()
    expected = -(wanted * logits.sigmoid().log() + (1 - wanted) * (-logits).sigmoid().log()).mean()
    loss = own.branch_loss(features, scores, shows, INSIDE)
    assert loss.item() == pytest.approx(expected.item(), abs=1e-5)


def test_scores_near_zero_and_classes_that_are_no_tag_teach_nothing() -> None:
    own, features = method(), torch.randn(4, 5, 6, 6)
    scores = torch.ones(4, 3, 6, 6)
    scores[:, :, 1:] = 0.1
    loss = own.branch_loss(features, scores, ALONE, INSIDE)
    first = own.branch_loss(features[:, :, :1], scores[:, :, :1], ALONE, INSIDE[:, :, :1])
    assert loss.item() == pytest.approx(first.item(), abs=1e-6)
    none = torch.zeros(4, 3, dtype=torch.bool)
    assert own.branch_loss(features, scores, none, INSIDE).item() == 0
