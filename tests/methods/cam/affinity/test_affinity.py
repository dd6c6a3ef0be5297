"""AffinityNet and its walk against loops over pairs, on maps of few cells."""

from math import exp, log

import numpy as np
import pytest
import torch
from torch import Tensor

from ray_wssis.methods.cam.affinity.learner import AffinityLearner, cells
from ray_wssis.methods.cam.affinity.network import AffinityNet, feature_affinity
from ray_wssis.methods.cam.affinity.walk import LearntWalk, with_background
from ray_wssis.methods.cam.config import AffinityConfig, AffinityModel, Walk
from ray_wssis.models.backbone_config import BackboneConfig
from tests.support.tiny_semantic import batch

BACKBONE = BackboneConfig(name="resnet18", weights="none", frozen_stages=0, norm="batch")
MODEL = AffinityModel(
    network=AffinityConfig(backbone=BACKBONE, stride=4, widths=(4, 4, 8)), radius=3
)


def near_pairs(height: int, width: int, radius: int) -> list[tuple[int, int]]:
    """Pairs of cells by number, the first one above or to the left."""
    places = [divmod(cell, width) for cell in range(height * width)]
    return [
        (i, j)
        for i, (y, x) in enumerate(places)
        for j, (v, u) in enumerate(places)
        if i < j and (y - v) ** 2 + (x - u) ** 2 < radius**2
    ]


def test_affinity_is_the_formula() -> None:
    features = torch.randn(6, 3, 4, generator=torch.Generator().manual_seed(0))
    flat = features.flatten(1)
    wanted = [exp(-(flat[:, i] - flat[:, j]).abs().mean().item()) for i, j in near_pairs(3, 4, 3)]
    found = feature_affinity(features, 3)
    assert sorted(found.tolist()) == pytest.approx(sorted(wanted), abs=1e-6)
    assert torch.equal(feature_affinity(features[None], 3)[0], found)


def test_the_loss_is_that_of_three_sets_of_pairs() -> None:
    torch.manual_seed(0)
    learner = AffinityLearner(MODEL, 0).eval()
    images = batch(1, [[True, True, False]], 0, slice(0, 24))
    with torch.no_grad():
        found = learner({"images": images})["affinity"].item()
        flat = learner.network(images.images, images.sizes)[0].flatten(1)
    labels = cells(images.class_maps, 4)[0].flatten().tolist()
    terms: dict[str, list[float]] = {"background": [], "foreground": [], "different": []}
    for i, j in near_pairs(8, 8, 3):
        if 255 not in (labels[i], labels[j]):
            alike = exp(-(flat[:, i] - flat[:, j]).abs().mean().item())
            if labels[i] != labels[j]:
                terms["different"].append(-log(max(1 - alike, 1e-5)))
            else:
                kind = "background" if labels[i] == 0 else "foreground"
                terms[kind].append(-log(max(alike, 1e-5)))
    means = {name: float(np.mean(values)) for name, values in terms.items()}
    wanted = means["background"] / 4 + means["foreground"] / 4 + means["different"] / 2
    assert found == pytest.approx(wanted, rel=1e-4)


def test_background_has_the_score_of_the_threshold_there() -> None:
    maps = torch.tensor([[[0.3, 1.0, 0.0]], [[0.1, 0.5, 0.0]]])
    background = with_background(maps, 0.3)[0, 0]
    assert background.tolist() == pytest.approx([0.3, 0, 1], abs=1e-6)


class Colours(AffinityNet):
    """Takes the colour of each cell for its features."""

    def forward(self, images: Tensor, sizes: Tensor) -> Tensor:
        return images[:, :, ::4, ::4].float() / 10


def test_scores_fill_what_is_alike_and_nothing_else() -> None:
    image = np.zeros((32, 32, 3), np.uint8)
    image[:, 16:] = 200
    maps = torch.zeros(1, 32, 32)
    maps[0, 8:24, 20:28] = 1  # within the right half
    walk = LearntWalk(Colours(MODEL.network), radius=5)
    found = walk.refine(maps, image, Walk(steps=256), 0.3)[0]
    right, left = found[:, 18:], found[:, :14]
    assert right.min() > 0.2 and right.max() - right.min() < 0.05
    assert left.max() < 1e-3
    assert found.shape == (32, 32)


def test_a_backbone_with_too_few_levels_is_refused() -> None:
    config = AffinityConfig(backbone=BACKBONE, widths=(4,) * 6)
    with pytest.raises(ValueError, match="resnet18: it has 5 levels and widths name 6"):
        AffinityNet(config)
