"""Shapes at module borders are checked in the tests (`conftest` installs the checks)."""

import pytest
import torch
from jaxtyping import TypeCheckError

from ray_wssis.models.refiner_loss import soft_dice_loss
from ray_wssis.models.solov2_inference import Detections, matrix_nms


def test_an_argument_of_another_shape_is_refused() -> None:
    logits, truth = torch.zeros(2, 2, 8, 8), torch.zeros(2, 8, 8)
    assert soft_dice_loss(logits, truth).shape == ()
    with pytest.raises(TypeCheckError, match="truth"):
        soft_dice_loss(logits, truth[:1])
    with pytest.raises(TypeCheckError, match="logits"):
        soft_dice_loss(logits[:, :1], truth)


def test_an_argument_of_another_type_is_refused() -> None:
    with pytest.raises(TypeCheckError, match="inside"):
        matrix_nms(torch.zeros(2, 4, 4), torch.zeros(2, dtype=torch.int64), 2.0)


def test_fields_of_different_lengths_are_refused() -> None:
    masks, labels, scores = torch.zeros(2, 4, 4), torch.zeros(2, dtype=torch.int64), torch.zeros(3)
    with pytest.raises(TypeCheckError, match="scores"):
        Detections(masks=masks, labels=labels, scores=scores)
