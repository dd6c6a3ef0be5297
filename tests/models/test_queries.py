"""The objects of queries."""

import math

import pytest
import torch

from ray_wssis.models.queries import best_queries, squared
from ray_wssis.models.solov2_config import InferenceConfig


def test_a_query_is_the_object_of_its_best_class() -> None:
    scores = torch.tensor([[1.0, 0], [0, 1.0], [0, 0], [0.5, 0.4]])
    masks = torch.full((4, 2, 2), -9.0)
    masks[0, 0, 0], masks[1, 0], masks[3, 1] = 9.0, math.log(3), -1.0
    found = best_queries(scores, masks, InferenceConfig(min_score=0.3, max_instances=2))
    assert found.labels.tolist() == [0, 1]
    assert found.scores.tolist() == pytest.approx([1.0, 0.75], abs=1e-3)
    assert found.masks[1].gt(0.5).tolist() == [[True, True], [False, False]]


def test_a_canvas_becomes_a_square() -> None:
    canvas = torch.arange(6).view(2, 3)
    assert squared(canvas, 4).tolist() == [[0, 1, 2, 0], [3, 4, 5, 0], [0] * 4, [0] * 4]
    assert squared(canvas, 2).tolist() == [[0, 1], [3, 4]]  # what is cut off is padding
