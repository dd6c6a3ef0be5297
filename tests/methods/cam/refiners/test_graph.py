"""The graph network of an image: its nodes, its edges, and what it learns."""

import numpy as np
import pytest
import torch

from ray_wssis.methods.cam.config import Graph, Policy
from ray_wssis.methods.cam.refiners.graph import REACHES, loss_of, refine, spread, sure_nodes
from ray_wssis.methods.cam.refiners.pamr import likeness, neighbours

POLICY = Policy(sure_background=0.1, threshold=0.5, sure_class=0.6)


def test_a_node_is_averaged_with_its_neighbours() -> None:
    dice = torch.Generator().manual_seed(0)
    image, maps = torch.rand(3, 4, 5, generator=dice), torch.rand(2, 4, 5, generator=dice)
    edges = likeness(image, REACHES)
    assert edges.sum(dim=0).numpy() == pytest.approx(np.ones((4, 5)), abs=1e-6)
    shifted = neighbours(maps, REACHES)
    found = spread(maps, edges)
    for y in range(4):
        for x in range(5):
            around = sum(edges[p, y, x] * shifted[p][:, y, x] for p in range(len(edges)))
            assert torch.allclose(found[:, y, x], (maps[:, y, x] + around) / 2, atol=1e-6)


def test_the_surest_of_each_class_teach() -> None:
    scores = torch.tensor([[0.0, 0.05, 0.3, 0.7, 0.8, 0.9, 1.0, 0.65, 0.62, 0.61, 0.6, 0.95]])
    labels, is_sure = sure_nodes(scores[None], 0.3, POLICY)
    assert labels.tolist() == [[0, 0, *[1] * 10]]
    assert scores[is_sure].tolist() == pytest.approx([0.0, 0.05, 1.0, 0.95])  # 2 of 9


def test_the_loss_counts_classes_and_background_alike() -> None:
    logits = torch.randn(2, 2, 4, generator=torch.Generator().manual_seed(0))
    labels = torch.tensor([[0, 0, 0, 1], [1, 0, 0, 0]])
    is_sure = torch.tensor([[True, True, True, True], [False, False, False, False]])
    p = logits.softmax(dim=0)
    known = -p[1, 0, 3].log() - p[0, 0, :3].log().mean()
    entropy = -sum((p[:, 1, x] * p[:, 1, x].log()).sum() for x in range(4)) / 8
    found = loss_of(logits, labels, is_sure, Graph(entropy=3))
    assert found.item() == pytest.approx(float(known + 3 * entropy), abs=1e-5)


def test_it_labels_what_looks_like_the_sure_pixels_and_always_alike() -> None:
    image = torch.zeros(3, 12, 16)
    image[0, :, 8:] = 200
    maps = torch.full((1, 12, 16), 0.4)
    maps[0, 2:10, 1:4], maps[0, 4:8, 11:14] = 0.0, 1.0
    with torch.inference_mode():
        refined = refine(maps, image, Graph(steps=60, cell=1), POLICY)
        again = refine(maps, image, Graph(steps=60, cell=1), POLICY)
    assert refined[0, :, 9:].min() > 0.6 and refined[0, :, :7].max() < 0.4
    assert torch.equal(refined, again)


def test_without_two_sure_labels_the_maps_stay() -> None:
    maps = torch.full((1, 8, 8), 0.4)
    assert refine(maps, torch.zeros(3, 8, 8), Graph(), POLICY) is maps
