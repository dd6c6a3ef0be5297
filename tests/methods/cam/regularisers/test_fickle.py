"""FickleNet: windows of which cells are hidden, against a convolution and loops."""

import pytest
import torch
from torch.nn.functional import conv2d

from ray_wssis.methods.cam.config import Fickle
from ray_wssis.methods.cam.regularisers.fickle import FickleNet
from ray_wssis.models.classifier import ClassifierOutput
from tests.support.fake_classifier import PixelClassifier
from tests.support.tiny_semantic import batch


def method(**values: float) -> FickleNet:
    torch.manual_seed(0)
    return FickleNet(Fickle.model_validate(values), (1, 2), 3, 3)


def output() -> ClassifierOutput:
    dice = torch.Generator().manual_seed(1)
    maps, features = (torch.rand(2, 3, 5, 6, generator=dice) for _ in range(2))
    return ClassifierOutput(maps=maps, features=features)


def test_with_all_neighbours_it_is_a_convolution_without_its_middle() -> None:
    own, seen = method(), output()
    found = own.scores(seen, torch.ones(2, 9, 30, dtype=torch.bool))
    kernel = own.around.detach().clone()
    kernel[:, :, 4] = 0
    expected = seen.maps + conv2d(seen.features, kernel.unflatten(2, (3, 3)), padding=1)
    assert torch.allclose(found, expected, atol=1e-5)


def test_without_neighbours_the_cell_itself_is_left() -> None:
    seen = output()
    found = method().scores(seen, torch.zeros(2, 9, 30, dtype=torch.bool))
    assert torch.equal(found, seen.maps)


def test_the_same_images_have_the_same_maps_and_more_passes_are_higher() -> None:
    images = batch(2, [[True, True, False], [True, True, True]], 0)
    few, many = (
        method(passes=number).maps(PixelClassifier(), images.images, images.sizes)  # type: ignore[arg-type]
        for number in (1, 8)
    )
    again = method(passes=1).maps(PixelClassifier(), images.images, images.sizes)  # type: ignore[arg-type]
    assert torch.equal(few, again)
    assert (many >= few).all() and (many > few).any()


def test_a_window_without_a_middle_is_refused() -> None:
    with pytest.raises(ValueError, match="it must be odd"):
        Fickle(window=4)
