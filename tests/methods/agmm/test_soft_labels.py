"""Soft self-labelling against loops over cells and edges."""

import numpy as np
import pytest
import torch

from ray_wssis.methods.agmm.cells import Cells
from ray_wssis.methods.agmm.config import SoftLabels
from ray_wssis.methods.agmm.soft_labels import (
    SMALL,
    collision,
    edge_weights,
    smoothness,
    soft_label_loss,
    soft_labels,
)

SIDE = 4


def cells(inside: slice = slice(None)) -> Cells:
    """Annotate the outer columns of two images: class 0 at the left, class 1 at the right."""
    annotated, mark = torch.zeros(2, 3, SIDE, SIDE), torch.zeros(2, SIDE, SIDE)
    annotated[:, 0, 1, 0] = annotated[:, 1, 1, 3] = 1
    mark[:, inside] = 1
    return Cells(annotated=annotated, inside=mark)


def halves() -> torch.Tensor:
    """Draw two images of 16 pixels, dark at the left and bright at the right."""
    images = torch.zeros(2, 3, 4 * SIDE, 4 * SIDE, dtype=torch.uint8)
    images[..., 2 * SIDE :] = 200
    return images


def test_the_loss_is_that_of_a_loop() -> None:
    rng = np.random.default_rng(0)
    log_p = torch.tensor(rng.normal(size=(2, 3, SIDE, SIDE)), dtype=torch.float32).log_softmax(1)
    tags, given, config = torch.ones(2, 3, dtype=torch.bool), cells(slice(0, 3)), SoftLabels()
    y = soft_labels(log_p, halves(), tags, given, config).numpy()
    p, losses = log_p.exp().numpy(), []
    for b, row, column in np.ndindex(2, SIDE, SIDE):
        if row < 3 and not given.annotated[b, :, row, column].any():
            both = sum(p[b, k, row, column] * (y[b, k, row, column] + SMALL) for k in range(3))
            losses.append(-np.log(both))
    loss = soft_label_loss(log_p, halves(), tags, given, config)
    assert loss.item() == pytest.approx(np.mean(losses), rel=1e-4)


def test_smoothness_is_that_of_a_loop_over_edges() -> None:
    rng = np.random.default_rng(0)
    labels = rng.dirichlet(np.ones(3), (2, SIDE, SIDE)).transpose(0, 3, 1, 2)
    images = rng.integers(0, 256, (2, 3, 4 * SIDE, 4 * SIDE)).astype(np.uint8)
    inside = torch.ones(2, SIDE, SIDE)
    inside[0, :, 3] = 0
    colours = images.reshape(2, 3, SIDE, 4, SIDE, 4).mean(axis=(3, 5))
    total = 0.0
    for b in range(2):
        edges = [
            ((y, x), (y + down, x + right))
            for y in range(SIDE)
            for x in range(SIDE)
            for down, right in ((1, 0), (0, 1))
            if y + down < SIDE
            and x + right < SIDE
            and inside[b, y, x]
            and inside[b, y + down, x + right]
        ]
        apart = [((colours[b, :, *i] - colours[b, :, *j]) ** 2).sum() for i, j in edges]
        for (i, j), d in zip(edges, apart, strict=True):
            one, other = labels[b, :, *i], labels[b, :, *j]
            cosine = one @ other / np.linalg.norm(one) / np.linalg.norm(other)
            total -= np.exp(-d / (2 * np.mean(apart))) * np.log(cosine + SMALL)
    weights = edge_weights(torch.tensor(images), inside)
    found = smoothness(torch.tensor(labels, dtype=torch.float32), weights)
    assert found.item() == pytest.approx(total, rel=1e-4)


def test_collision_is_least_where_both_are_sure_and_says_nothing_where_a_label_is_unsure() -> None:
    logits = torch.randn(1, 3, 1, 1, requires_grad=True)
    log_p, even = logits.log_softmax(1), torch.full((1, 3, 1, 1), 1 / 3).log()
    (slope,) = torch.autograd.grad(collision(log_p, even).sum(), logits)
    assert slope.abs().amax() < 1e-6
    sure = torch.tensor([1.0, 0, 0]).view(1, 3, 1, 1)
    value = collision((sure + SMALL).log(), (sure + SMALL).log())
    assert value.item() == pytest.approx(0, abs=1e-5)


def test_labels_spread_from_what_is_annotated_to_the_edge_of_the_image() -> None:
    even = torch.zeros(2, 3, SIDE, SIDE).log_softmax(1)
    tags = torch.tensor([[True, True, False]] * 2)
    y = soft_labels(even, halves(), tags, cells(), SoftLabels(iterations=200))
    assert (y[:, 0, :, :2] > 0.5).all()
    assert (y[:, 1, :, 2:] > 0.5).all()
    assert y[:, 2].amax() == 0  # no tag
    assert y[:, 0, 1, 0].tolist() == [1, 1]  # annotated
    assert y.sum(dim=1) == pytest.approx(1, abs=1e-5)


def test_the_targets_have_no_gradient_and_the_loss_none_beyond_the_image() -> None:
    logits = torch.randn(2, 3, SIDE, SIDE, requires_grad=True)
    tags = torch.ones(2, 3, dtype=torch.bool)
    loss = soft_label_loss(logits.log_softmax(1), halves(), tags, cells(slice(0, 2)), SoftLabels())
    loss.backward()
    assert logits.grad is not None
    assert logits.grad[:, :, :2].any()
    assert not logits.grad[:, :, 2:].any()
