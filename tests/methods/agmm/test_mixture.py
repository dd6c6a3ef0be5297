"""The Gaussian mixture against loops over images, classes and cells."""

from itertools import combinations

import numpy as np
import pytest
import torch
from torch import Tensor

from ray_wssis.data.class_maps.png import UNKNOWN
from ray_wssis.methods.agmm.cells import Cells, count_cells
from ray_wssis.methods.agmm.config import Sigma
from ray_wssis.methods.agmm.learner import log_probabilities
from ray_wssis.methods.agmm.mixture import EPSILON, mixture_losses

IMAGES, CLASSES, CHANNELS, SIDE = 3, 4, 6, 5


def some_cells(case: str) -> Cells:
    """Annotate a few cells; the last image has no annotation, the second one is half beyond."""
    rng = np.random.default_rng(1)
    annotated = np.zeros((IMAGES, CLASSES, SIDE, SIDE), np.float32)
    inside = np.ones((IMAGES, SIDE, SIDE), np.float32)
    inside[1, :, 3:] = 0
    inside[1, :, 2] = 0.5
    for image, label in ((0, 0), (0, 2), (0, 2), (1, 0), (1, 1), (1, 3)):
        row, column = rng.integers(SIDE), rng.integers(2)
        annotated[image, label, row, column] += rng.integers(1, 4)
    if case == "nothing annotated":
        annotated[:] = 0
    if case == "one class":
        annotated[:, 1:] = 0
    return Cells(annotated=torch.tensor(annotated), inside=torch.tensor(inside))


def loop(features: np.ndarray, logits: np.ndarray, cells: Cells, sigma: Sigma) -> dict[str, float]:
    annotated, inside = cells.annotated.double().numpy(), cells.inside.double().numpy()
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    places = [(y, x) for y in range(SIDE) for x in range(SIDE)]
    of_class: dict[int, list[np.ndarray]] = {}
    self_sum = label_sum = area = number = 0.0
    for b in range(IMAGES):
        present = [k for k in range(CLASSES) if annotated[b, k].sum()]
        g = {}
        for k in present:
            prototype = sum(annotated[b, k, y, x] * features[b, :, y, x] for y, x in places)
            prototype = prototype / annotated[b, k].sum()
            of_class.setdefault(k, []).append(prototype)
            d = {at: np.abs(features[b, :, *at] - prototype).mean() for at in places}
            twice = 1.0
            if sigma == "adaptive":
                weight = {at: p[b, k, *at] * inside[b, *at] for at in places}
                total = sum(weight[at] * d[at] ** 2 for at in places)
                twice = 2 * total / sum(weight.values())
            g[k] = {at: np.exp(-(d[at] ** 2) / twice) for at in places}
        for y, x in places if present else ():
            own = [half(g[k][y, x], p[b, k, y, x], 0) for k in present]
            self_sum += inside[b, y, x] * np.mean(own)
            area += inside[b, y, x]
            for label in present:
                explained = [half(k == label, g[k][y, x], EPSILON) for k in present]
                label_sum += annotated[b, label, y, x] * np.mean(explained)
        number += annotated[b].sum()
    means = {k: np.mean(prototypes, axis=0) for k, prototypes in of_class.items()}
    pairs = [np.exp(-(np.abs(means[i] - means[j]).mean() ** 2)) for i, j in combinations(means, 2)]
    return {
        "self": self_sum / max(1, area),
        "label": label_sum / max(1, number),
        "separation": float(np.mean(pairs)) if pairs else 0.0,
    }


def half(a: float, q: float, epsilon: float) -> float:
    return float(-0.5 * (a * np.log(q) + (1 - a) * np.log(1 - q + epsilon)))


@pytest.mark.parametrize("sigma", ["fixed", "adaptive"])
@pytest.mark.parametrize("case", ["several classes", "one class", "nothing annotated"])
def test_the_terms_are_those_of_a_loop(case: str, sigma: Sigma) -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(IMAGES, CHANNELS, SIDE, SIDE))
    logits = rng.normal(size=(IMAGES, CLASSES, SIDE, SIDE))
    cells = some_cells(case)
    found = mixture_losses(
        torch.tensor(features, dtype=torch.float32),
        *log_probabilities(torch.tensor(logits, dtype=torch.float32)),
        cells,
        sigma,
    )
    wanted = loop(features, logits, cells, sigma)
    assert {name: loss.item() for name, loss in found.items()} == pytest.approx(wanted, rel=1e-4)


def losses_and_inputs(cells: Cells) -> tuple[dict[str, Tensor], Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(IMAGES, CHANNELS, SIDE, SIDE, generator=generator).requires_grad_()
    logits = torch.randn(IMAGES, CLASSES, SIDE, SIDE, generator=generator).requires_grad_()
    losses = mixture_losses(features, *log_probabilities(logits), cells, "fixed")
    return losses, features, logits


def test_predictions_and_mixture_teach_each_other() -> None:
    losses, features, logits = losses_and_inputs(some_cells("several classes"))
    to_features, to_logits = torch.autograd.grad(losses["self"], [features, logits])
    assert to_features[0].abs().amax() > 0
    assert to_logits[0].abs().amax() > 0
    assert not to_features[2].any() and not to_logits[2].any()  # nothing is annotated there
    assert not to_logits[1, :, :, 3:].any()  # beyond the image


def test_labels_and_separation_teach_features_alone() -> None:
    losses, features, logits = losses_and_inputs(some_cells("several classes"))
    for name in ("label", "separation"):
        to_features, to_logits = torch.autograd.grad(
            losses[name], [features, logits], retain_graph=True, allow_unused=True
        )
        assert to_features.any()
        assert to_logits is None or not to_logits.any()


def test_a_class_whose_clicks_were_cropped_away_has_no_part() -> None:
    losses, _, logits = losses_and_inputs(some_cells("one class"))
    moved = logits.detach().clone()
    rest = moved[:, 1:].logsumexp(dim=1, keepdim=True)
    moved[:, 1:] = rest - np.log(CLASSES - 1)  # the other classes share their probability anew
    again = losses_and_inputs(some_cells("one class"))
    features = again[1]
    same = mixture_losses(features, *log_probabilities(moved), some_cells("one class"), "fixed")
    assert same["self"].item() == pytest.approx(losses["self"].item(), rel=1e-5)
    assert same["separation"].item() == 0


def test_pixels_are_counted_in_their_cell() -> None:
    labels = torch.full((2, 8, 8), UNKNOWN, dtype=torch.uint8)
    inside = torch.ones(2, 8, 8, dtype=torch.bool)
    labels[0, 0, 0] = labels[0, 3, 3] = 2
    labels[0, 3, 4] = 1
    labels[1, 7, 7] = 0
    inside[1, :, 6:] = False  # even if somebody annotated there
    cells = count_cells(labels, inside, torch.zeros(2, 3, 2, 2))
    assert cells.annotated[0, 2].tolist() == [[2, 0], [0, 0]]
    assert cells.annotated[0, 1].tolist() == [[0, 1], [0, 0]]
    assert cells.annotated.sum() == 3
    assert cells.inside[1].tolist() == [[1, 0.5], [1, 0.5]]
    assert cells.present.tolist() == [[False, True, True], [False] * 3]


def test_logarithms_are_finite_for_any_logits() -> None:
    logits = torch.tensor([[60.0, -60, 0], [1e4, 0, 0], [0, 0, 0]])[:, :, None, None]
    logits.requires_grad_()
    log_p, log_not_p = log_probabilities(logits)
    assert log_not_p[0, :, 0, 0].tolist() == pytest.approx([-60, 0, 0], abs=1e-5)
    assert log_not_p[2, 0].exp().item() == pytest.approx(2 / 3)
    (log_p + log_not_p).sum().backward()
    assert logits.grad is not None and logits.grad.isfinite().all()


def test_equal_features_have_finite_gradients() -> None:
    features = torch.zeros(IMAGES, CHANNELS, SIDE, SIDE, requires_grad=True)
    p = log_probabilities(torch.zeros(IMAGES, CLASSES, SIDE, SIDE))
    for sigma in ("fixed", "adaptive"):
        losses = mixture_losses(features, *p, some_cells("several classes"), sigma)
        torch.stack(list(losses.values())).sum().backward()
        assert features.grad is not None and features.grad.isfinite().all()
