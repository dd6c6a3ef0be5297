"""The weights of dynamic mutual training by a table, and its loss against loops over pixels."""

import math

import pytest
import torch

from ray_wssis.data.class_maps.png import UNKNOWN
from ray_wssis.methods.self_training.dynamic import DynamicLearner, weighed_cross_entropy, weights
from ray_wssis.semantic.learner import SemanticLearner
from tests.support.tiny_semantic import TINY, batch

TAGS = [[True, True, True]]


@pytest.mark.parametrize(
    ("probabilities", "label", "confidence", "weight"),
    [
        ((0.7, 0.2, 0.1), 0, 0.5, 0.7**5),  # they agree
        ((0.7, 0.2, 0.1), 0, 0.9, 0.7**5),
        ((0.7, 0.2, 0.1), 1, 0.5, 0.0),  # they disagree, and the student is surer
        ((0.7, 0.2, 0.1), 1, 0.9, 0.2**5),  # they disagree, and the other network is surer
        ((0.6, 0.4, 0.0), 2, 0.8, 0.0),
    ],
)
def test_the_three_cases(
    probabilities: tuple[float, ...], label: int, confidence: float, weight: float
) -> None:
    logits = torch.tensor(probabilities).clamp(min=1e-30).log()[None, :, None, None]
    labels = torch.full((1, 1, 1), label, dtype=torch.uint8)
    sure = torch.full((1, 1, 1), round(255 * confidence), dtype=torch.uint8)
    assert weights(logits, labels, sure, 5.0).item() == pytest.approx(weight, abs=1e-7)


def test_the_loss_is_divided_by_the_number_of_known_pixels_and_not_by_the_weights() -> None:
    torch.manual_seed(0)
    logits = torch.randn(2, 3, 4, 4, requires_grad=True)
    labels = torch.randint(0, 3, (2, 4, 4), dtype=torch.uint8)
    labels[:, 2:] = UNKNOWN
    sure = torch.randint(0, 256, (2, 4, 4), dtype=torch.uint8)
    p = logits.detach().softmax(dim=1)
    total = 0.0
    for i in range(2):
        for y in range(2):
            for x in range(4):
                own, label = p[i, :, y, x], int(labels[i, y, x])
                overruled = int(own.argmax()) != label and own.max() > sure[i, y, x] / 255
                weight = 0.0 if overruled else float(own[label]) ** 3
                total -= weight * math.log(own[label])
    loss = weighed_cross_entropy(logits, labels, sure, 3.0)
    assert loss.item() == pytest.approx(total / 16, rel=1e-5)
    loss.backward()
    assert logits.grad is not None
    assert (logits.grad[:, :, 2:] == 0).all()  # unknown pixels teach nothing


def test_no_gradient_flows_through_the_weights() -> None:
    logits = torch.tensor([[[[2.0]], [[0.0]]]], requires_grad=True)
    labels, sure = torch.zeros(1, 1, 1, dtype=torch.uint8), torch.full((1, 1, 1), 200).byte()
    weighed_cross_entropy(logits, labels, sure, 2.0).backward()
    p = torch.tensor([2.0, 0.0]).softmax(dim=0)
    assert logits.grad is not None
    expected = p[0] ** 2 * torch.stack([p[0] - 1, p[1]])
    assert torch.allclose(logits.grad[0, :, 0, 0], expected)


def test_without_a_power_it_is_plain_self_training_where_nobody_is_overruled() -> None:
    torch.manual_seed(0)
    learner = DynamicLearner(TINY, 0.0, 3).eval()
    batches = {"strong": batch(2, TAGS * 2, seed=0), "pseudo": batch(2, TAGS * 2, seed=1)}
    batches["pseudo"].class_maps[:, 8:] = UNKNOWN
    plain: SemanticLearner = learner.plain
    for name, loss in plain(batches).items():
        assert learner(batches)[name].item() == pytest.approx(loss.item(), rel=1e-5)
