"""Cross entropy over pixels, and the learner of true and pseudo labels, against loops."""

import numpy as np
import pytest
import torch

from ray_wssis.data.class_maps.png import UNKNOWN
from ray_wssis.semantic.learner import SemanticLearner
from ray_wssis.semantic.loss import pixel_cross_entropy
from ray_wssis.semantic.segmenter_config import SemanticConfig
from tests.support.tiny_semantic import TINY, batch


def enlarged(logits: np.ndarray, height: int, width: int) -> np.ndarray:
    """Interpolate between the centres of the pixels of one image, [K, h, w]."""
    full = np.zeros((len(logits), height, width))
    for y in range(height):
        for x in range(width):
            rows, columns = (
                np.clip((place + 0.5) * old / new - 0.5, 0, old - 1)
                for place, old, new in ((y, logits.shape[1], height), (x, logits.shape[2], width))
            )
            for dy in (0, 1):
                for dx in (0, 1):
                    row, column = int(rows) + dy, int(columns) + dx
                    share = max(0, 1 - abs(rows - row)) * max(0, 1 - abs(columns - column))
                    if share > 0:
                        full[:, y, x] += share * logits[:, row, column]
    return full


def cross_entropy(logits: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> float:
    total, known = 0.0, 0
    for image, truth, weight in zip(logits, labels, weights, strict=True):
        full = enlarged(image, *truth.shape)
        for y, x in np.argwhere(truth != UNKNOWN):
            exponentials = np.exp(full[:, y, x])
            total -= weight * np.log(exponentials[truth[y, x]] / exponentials.sum())
            known += 1
    return total / max(1, known)


@pytest.mark.parametrize("weights", [None, [0.3, 0.0]])
@pytest.mark.parametrize(
    "case", ["plain", "padding", "one image unknown", "all ignored", "one class", "absent class"]
)
def test_cross_entropy_is_that_of_a_loop(case: str, weights: list[float] | None) -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(2, 1 if case == "one class" else 4, 3, 4))
    labels = rng.integers(0, logits.shape[1], (2, 11, 13)).astype(np.uint8)
    if case == "padding":
        labels[:, 8:], labels[..., 10:] = UNKNOWN, UNKNOWN
    if case == "one image unknown":
        labels[0] = UNKNOWN
    if case == "all ignored":
        labels[:] = UNKNOWN
    if case == "absent class":
        labels[labels == 2] = 0
    given = torch.tensor(logits, requires_grad=True)
    factors = None if weights is None else torch.tensor(weights)
    loss = pixel_cross_entropy(given, torch.tensor(labels), factors)
    wanted = cross_entropy(logits, labels, np.ones(2) if weights is None else np.array(weights))
    assert loss.item() == pytest.approx(wanted, abs=1e-5)
    loss.backward()
    assert given.grad is not None and given.grad.isfinite().all()


@pytest.mark.parametrize("heads", [1, 2])
def test_each_stream_has_the_loss_of_its_head(heads: int) -> None:
    torch.manual_seed(0)
    network = TINY.network.model_dump() | {"heads": heads}
    learner = SemanticLearner(SemanticConfig.model_validate({"network": network}), 3).eval()
    strong, pseudo = (batch(2, [[True] * 3] * 2, seed, slice(0, 20)) for seed in (0, 1))
    images = torch.cat([strong.images, pseudo.images])
    with torch.no_grad():
        losses = learner({"strong": strong, "pseudo": pseudo})
        logits = learner.network(images, torch.tensor([[32, 32]] * 4)).logits
    for name, of_batch, seen in (
        ("strong", strong, logits[0][:2]),
        ("pseudo", pseudo, logits[-1][2:]),
    ):
        wanted = cross_entropy(seen.double().numpy(), of_batch.class_maps.numpy(), np.ones(2))
        assert losses[name].item() == pytest.approx(wanted, abs=1e-5)
