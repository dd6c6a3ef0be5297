"""The loss of the tags, and activation maps of a network that was not trained."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from ray_wssis.data.records import Category
from ray_wssis.methods.cam.learner import ClassifierLearner
from ray_wssis.methods.cam.maps import ActivationMaps
from ray_wssis.methods.cam.tag_loss import pooled, tag_loss
from ray_wssis.semantic.segmenter_config import Views
from tests.support.tiny_cam import STAGE
from tests.support.tiny_semantic import batch

TAGS = [[True, True, False], [True, False, True]]
CATEGORIES = (Category(id=0, name="background"), Category(id=1, name="a"), Category(id=2, name="b"))


@pytest.fixture(scope="module")
def learner() -> ClassifierLearner:
    torch.manual_seed(0)
    return ClassifierLearner(STAGE, 3, 0)


def test_the_loss_is_the_mean_over_tagged_images_and_classes() -> None:
    maps = torch.randn(2, 3, 4, 4)
    images = batch(2, TAGS, 0)
    scores = maps.mean(dim=(2, 3)).double()
    each = []
    for score, tags in zip(scores, TAGS, strict=True):
        signed = [value if tag else -value for value, tag in zip(score, tags, strict=True)]
        each.append(np.mean([np.log1p(np.exp(-float(value))) for value in signed[1:]]))
    assert tag_loss(maps, images, (1, 2)).item() == pytest.approx(np.mean(each), abs=1e-6)
    one = replace(images, is_tagged=torch.tensor([True, False]))
    assert tag_loss(maps, one, (1, 2)).item() == pytest.approx(each[0], abs=1e-6)
    none = replace(images, is_tagged=torch.tensor([False, False]))
    assert tag_loss(maps, none, (1, 2)).item() == 0


def test_what_lies_beyond_an_image_does_not_count() -> None:
    maps, inside = torch.rand(1, 2, 4, 4), torch.zeros(1, 32, 32, dtype=torch.bool)
    inside[:, :16, :12] = True  # two rows of cells, one and a half columns
    expected = (maps[:, :, :2, 0] + maps[:, :, :2, 1] / 2).sum(dim=2) / 3
    assert torch.allclose(pooled(maps, inside), expected)


def test_scores_are_of_the_tags_and_the_highest_is_one(learner: ClassifierLearner) -> None:
    drawer = ActivationMaps(learner.network, STAGE.model, CATEGORIES)
    images = [np.random.default_rng(i).integers(0, 256, (32, 40, 3), np.uint8) for i in range(2)]
    views = Views(scales=(1.0, 1.5), flip=True)
    first, second = drawer.draw(images, [(0, 2), None], views)
    assert first.shape == (3, 32, 40)
    assert not first[0].any() and not first[1].any() and not second[0].any()
    for maps in (first[2], second[1], second[2]):
        assert maps.min() >= 0 and (not maps.any() or maps.max() == 1)


def test_maps_are_the_same_alone_and_in_a_batch(learner: ClassifierLearner) -> None:
    drawer = ActivationMaps(learner.network, STAGE.model, CATEGORIES)
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, size, np.uint8) for size in ((32, 40, 3), (40, 32, 3))]
    together = drawer.draw(images, [None, None], Views())
    for image, maps in zip(images, together, strict=True):
        (alone,) = drawer.draw([image], [None], Views())
        assert torch.allclose(alone, maps, atol=1e-4)
