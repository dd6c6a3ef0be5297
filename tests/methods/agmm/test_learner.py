"""The losses of a network that learns from sparse labels, and which of them there are."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from ray_wssis.data.class_maps.png import UNKNOWN
from ray_wssis.methods.agmm.cells import Cells
from ray_wssis.methods.agmm.config import SparseStage, Terms
from ray_wssis.methods.agmm.learner import SparseLearner, absent_loss, log_probabilities
from ray_wssis.semantic.samples import Batch
from ray_wssis.training.config import TrainingConfig
from tests.support.tiny_semantic import TINY

CLASSES = 4
EVERY_TERM = Terms(soft=0.3)


def learner(terms: Terms) -> SparseLearner:
    torch.manual_seed(0)
    stage = SparseStage(model=TINY, terms=terms, training=TrainingConfig(steps=1))
    return SparseLearner(stage, CLASSES).eval()


def batch() -> Batch:
    """Two images with classes 0 and 1; a click of 1 in the second one is cropped away."""
    labels = torch.full((2, 32, 32), UNKNOWN, dtype=torch.uint8)
    labels[:, 3, 4] = labels[:, 8, 20] = 0
    labels[0, 16, 16] = 1
    generator = torch.Generator().manual_seed(0)
    return Batch(
        image_ids=[1, 2],
        images=torch.randint(0, 255, (2, 3, 32, 32), dtype=torch.uint8, generator=generator),
        sizes=torch.tensor([[32, 32]] * 2),
        class_maps=labels,
        confidence=torch.full((2, 32, 32), 255, dtype=torch.uint8),
        inside=torch.ones(2, 32, 32, dtype=torch.bool),
        tags=torch.tensor([[True, True, False, False]] * 2),
        is_tagged=torch.ones(2, dtype=torch.bool),
    )


def test_a_loss_without_weight_is_not_there() -> None:
    names = ["partial", "absent", "self", "label", "separation", "soft"]
    assert list(learner(EVERY_TERM)({"sparse": batch()})) == names
    for name in names[1:]:
        alone = Terms.model_validate(dict.fromkeys(names[1:], 0) | {name: 1})
        assert list(learner(alone)({"sparse": batch()})) == ["partial", name]


def test_a_weight_scales_its_loss() -> None:
    once = learner(EVERY_TERM)({"sparse": batch()})
    doubled = {name: 2 * weight for name, weight in EVERY_TERM.model_dump().items()}
    twice = learner(Terms.model_validate(doubled))({"sparse": batch()})
    for name, loss in once.items():
        assert twice[name].item() == pytest.approx(2 * loss.item(), rel=1e-5)


def test_absent_classes_cost_what_a_loop_says() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(3, CLASSES, 4, 4))
    inside: NDArray[np.float64] = np.ones((3, 4, 4))
    inside[0, :, 2:] = 0
    inside[1, 0] = 0.5
    tags = np.array([[1, 0, 1, 0], [1, 1, 1, 1], [1, 0, 0, 0]], bool)
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    total, area = 0.0, 0.0
    for b, y, x in np.ndindex(3, 4, 4):
        losses = [-np.log(1 - p[b, k, y, x]) for k in range(CLASSES) if not tags[b, k]]
        total += float(inside[b, y, x] * sum(losses))
        area += float(inside[b, y, x])
    loss = absent_loss(
        log_probabilities(torch.tensor(logits, dtype=torch.float32))[1],
        torch.tensor(tags),
        Cells(
            annotated=torch.zeros(3, CLASSES, 4, 4),
            inside=torch.tensor(inside, dtype=torch.float32),
        ),
    )
    assert loss.item() == pytest.approx(total / area, rel=1e-4)


def test_what_lies_beyond_the_images_changes_no_loss() -> None:
    """Features there are those of black pixels either way, so only the labels differ."""
    padded = batch()
    padded.inside[:, :, 24:] = False
    padded.images[:, :, :, 24:] = 0
    marked = replace(padded, class_maps=padded.class_maps.clone())
    marked.class_maps[:, :, 25] = 3
    marked = replace(marked, class_maps=torch.where(padded.inside, marked.class_maps, UNKNOWN))
    network = learner(EVERY_TERM)
    one, other = network({"sparse": padded}), network({"sparse": marked})
    assert {k: v.item() for k, v in one.items()} == {k: v.item() for k, v in other.items()}


def test_without_any_annotation_all_losses_are_finite_and_have_gradients() -> None:
    bare = replace(batch(), class_maps=torch.full((2, 32, 32), UNKNOWN, dtype=torch.uint8))
    network = learner(EVERY_TERM)
    losses = network({"sparse": bare})
    for name in ("partial", "self", "label", "separation"):
        assert losses[name].item() == 0
    torch.stack(list(losses.values())).sum().backward()
    for parameter in network.parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all()


@pytest.mark.parametrize("sigma", ["fixed", "adaptive"])
def test_it_stays_finite_at_half_precision(sigma: str) -> None:
    network = learner(EVERY_TERM)
    network.stage = network.stage.model_copy(update={"sigma": sigma})
    with torch.no_grad():
        for head in network.network.heads:
            assert isinstance(head, nn.Conv2d)
            head.weight.mul_(100)
    with torch.autocast("cpu", torch.bfloat16):
        losses = network({"sparse": batch()})
    torch.stack(list(losses.values())).sum().backward()
    for parameter in network.parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all()


def test_the_shares_of_two_workers_are_the_whole_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    """The workers know different numbers of pixels, and divide by the mean of both."""

    def shared(divide: Callable[[torch.Tensor], torch.Tensor]) -> None:
        for name in ("methods.agmm.learner", "methods.agmm.mixture", "methods.agmm.soft_labels"):
            monkeypatch.setattr(f"ray_wssis.{name}.across_workers", divide)
        monkeypatch.setattr("ray_wssis.semantic.loss.across_workers", divide)

    network, counts, both = learner(EVERY_TERM), list[torch.Tensor](), batch()
    both.inside[1, 20:] = False
    shared(lambda count: counts.append(count) or count)  # type: ignore[func-returns-value]
    whole = network({"sparse": both})
    parts = []
    for rank in range(2):
        own = {name: value[rank::2] for name, value in vars(both).items()}
        means = iter([count / 2 for count in counts])
        shared(lambda _, means=means: next(means))  # type: ignore[misc]
        parts.append(network({"sparse": Batch(**own)}))
    for name in set(whole) - {"separation"}:  # which each worker has its own of
        mean = (parts[0][name].item() + parts[1][name].item()) / 2
        assert mean == pytest.approx(whole[name].item(), rel=1e-4), name
