"""SEAM: equivariance, correlation, and the terms of its losses, against loops."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from ray_wssis.methods.cam.config import SEAM
from ray_wssis.methods.cam.regularisers.seam import (
    EquivariantCAM,
    hardest,
    highest_alone,
    lowest,
)
from ray_wssis.models.classifier import ClassifierOutput
from tests.support.fake_classifier import PixelClassifier
from tests.support.tiny_semantic import batch

BATCH = batch(2, [[True, True, False], [True, True, True]], 0)


def method(classes: tuple[int, ...] = (1, 2)) -> EquivariantCAM:
    torch.manual_seed(0)
    return EquivariantCAM(SEAM(width=4), classes, 3)


def test_an_equivariant_network_has_nothing_to_learn() -> None:
    blocks = BATCH.images[:, :, ::2, ::2].repeat_interleave(2, 2).repeat_interleave(2, 3)
    losses = method().losses(PixelClassifier(), replace(BATCH, images=blocks), 1)  # type: ignore[arg-type]
    assert losses["equivariance"].item() == pytest.approx(0, abs=1e-6)
    noise = method().losses(PixelClassifier(), BATCH, 1)  # type: ignore[arg-type]
    assert noise["equivariance"].item() > 0.01


def test_cells_take_the_mean_of_what_looks_like_them() -> None:
    own = method()
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (1, 3, 4, 4), np.uint8)
    maps, features = rng.random((1, 2, 4, 4), np.float32), rng.random((1, 3, 4, 4), np.float32)
    output = ClassifierOutput(maps=torch.tensor(maps), features=torch.tensor(features))
    refined = own.refine(torch.tensor(maps), output, torch.tensor(images))
    weights = own.reduce.weight.detach().numpy()[:, :, 0, 0]
    seen = [
        np.concatenate([images[0, :, y, x] / 255, weights @ features[0, :, y, x]])
        for y in range(4)
        for x in range(4)
    ]
    seen = [each / np.linalg.norm(each) for each in seen]
    alike = np.array([[max(0, one @ other) for other in seen] for one in seen])
    expected = maps.reshape(2, 16) @ (alike / alike.sum(axis=0))
    assert refined.detach().numpy().reshape(2, 16) == pytest.approx(expected, abs=1e-5)


def test_the_maps_get_no_gradient_from_their_refinement() -> None:
    maps = torch.rand(1, 2, 4, 4, requires_grad=True)
    output = ClassifierOutput(maps=maps, features=torch.rand(1, 3, 4, 4, requires_grad=True))
    method().refine(maps, output, torch.zeros(1, 3, 4, 4)).sum().backward()
    assert maps.grad is None and output.features.grad is None


def test_parts_of_the_cells_against_sorted_values() -> None:
    values = torch.rand(2, 3, 5, 5, generator=torch.Generator().manual_seed(0))
    for image, found in zip(values, hardest(values, 0.2), strict=True):
        assert found.item() == pytest.approx(np.sort(image.numpy().ravel())[-15:].mean())
    for image, found in zip(values, lowest(values), strict=True):
        assert found.item() == pytest.approx(np.sort(image.numpy().max(axis=0).ravel())[:6].mean())


def test_only_the_highest_class_of_a_cell_stays() -> None:
    maps = torch.tensor([[[[0.1, 0.9]], [[0.6, 0.2]]]])
    assert torch.equal(highest_alone(maps), torch.tensor([[[[0.0, 0.9]], [[0.6, 0.0]]]]))
