"""The losses of LPL against loops over pixels, and its judge."""

import numpy as np
import pytest
import torch
from torch.nn.functional import interpolate

from ray_wssis.data.class_maps.png import UNKNOWN
from ray_wssis.methods.lpl.learner import DECAY, POWER, Judge, LPLLearner, tag_loss
from ray_wssis.semantic.loss import choices, masked, pixel_cross_entropy
from ray_wssis.semantic.segmenter import restrict
from tests.support.tiny_semantic import TINY, batch


def class_aware_cross_entropy(logits: np.ndarray, tags: np.ndarray, labels: np.ndarray) -> float:
    """The softmax of each pixel runs over the tags of its image alone."""
    losses = []
    for image, marks, truth in zip(logits, tags, labels, strict=True):
        for y, x in np.argwhere(truth != UNKNOWN):
            exponentials = {k: np.exp(image[k, y, x]) for k in np.flatnonzero(marks)}
            losses.append(-np.log(exponentials[truth[y, x]] / sum(exponentials.values())))
    return float(np.mean(losses)) if losses else 0.0


@pytest.mark.parametrize("case", ["plain", "padding", "all ignored", "one class", "absent class"])
def test_cross_entropy_over_the_tags(case: str) -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(2, 4, 5, 5))
    tags = np.array([[True, True, False, True], [True, False, True, False]])
    labels = np.stack([rng.choice(np.flatnonzero(marks), (5, 5)) for marks in tags])
    if case == "padding":
        labels[:, 3:] = UNKNOWN
    if case == "all ignored":
        labels[:] = UNKNOWN
    if case == "one class":
        tags[:], labels[:] = [True, False, False, False], 0
    if case == "absent class":  # a tag that no pixel shows
        labels[:] = 0
    loss = pixel_cross_entropy(
        restrict(torch.tensor(logits), torch.tensor(tags)),
        torch.tensor(labels, dtype=torch.uint8),
    )
    assert loss.item() == pytest.approx(class_aware_cross_entropy(logits, tags, labels), abs=1e-6)


def test_it_stays_finite_at_half_precision() -> None:
    logits = torch.full((1, 3, 4, 4), 60.0, dtype=torch.bfloat16, requires_grad=True)
    with torch.no_grad():
        logits[:, 0] = -60
    tags = torch.tensor([[True, True, False]])
    loss = pixel_cross_entropy(restrict(logits, tags), torch.zeros(1, 4, 4, dtype=torch.uint8))
    loss.backward()
    assert loss.item() == pytest.approx(120, rel=1e-2)
    assert logits.grad is not None and torch.isfinite(logits.grad).all()


def test_absent_classes_get_no_gradient() -> None:
    logits = torch.randn(1, 3, 4, 4, requires_grad=True)
    labels = torch.zeros(1, 4, 4, dtype=torch.uint8)
    pixel_cross_entropy(restrict(logits, torch.tensor([[True, True, False]])), labels).backward()
    assert logits.grad is not None
    assert not logits.grad[:, 2].any()
    assert logits.grad[:, 1].all()


def test_weights_scale_the_loss_of_their_image() -> None:
    logits, labels = torch.randn(2, 3, 4, 4), torch.randint(0, 3, (2, 4, 4), dtype=torch.uint8)
    alone = [pixel_cross_entropy(logits[i : i + 1], labels[i : i + 1]).item() for i in (0, 1)]
    weighted = pixel_cross_entropy(logits, labels, torch.tensor([0.5, 0.0]))
    assert weighted.item() == pytest.approx(0.5 * alone[0] / 2, abs=1e-6)


def test_the_judge_trusts_nothing_at_the_start() -> None:
    tags = torch.tensor([[True, True, False], [True, False, True]])
    assert Judge(3).trust(tags).tolist() == [0, 0]


def test_the_judge_counts_as_a_loop_does() -> None:
    rng = np.random.default_rng(0)
    judge, counts = Judge(3), np.array([[1.0, 1, 1], [0, 0, 0], [0, 0, 0]])
    for _ in range(4):
        truth = rng.choice([0, 1, 2, UNKNOWN], (2, 6, 6)).astype(np.uint8)
        guess = np.where(rng.random((2, 6, 6)) < 0.8, truth % 3, 0).astype(np.uint8)
        judge.count(torch.tensor(guess), torch.tensor(truth))
        counts *= DECAY
        for true, drawn in zip(truth.ravel(), guess.ravel(), strict=True):
            if true != UNKNOWN:
                counts[0, true] += 1
                counts[1, drawn] += 1
                counts[2, true] += true == drawn
    assert judge.counts.numpy() == pytest.approx(counts, rel=1e-5)
    ious = counts[2] / (counts[0] + counts[1] - counts[2])
    tags = torch.tensor([[True, False, True], [False, True, False]])
    wanted = [min(ious[0], ious[2]) ** POWER, ious[1] ** POWER]
    assert judge.trust(tags).tolist() == pytest.approx(wanted, rel=1e-4)


def test_the_judge_is_part_of_a_checkpoint() -> None:
    assert "judge.counts" in LPLLearner(TINY, 3).state_dict()


def test_tags_teach_the_highest_logit() -> None:
    logits = torch.full((2, 2, 3, 3), -10.0)
    logits[0, 1, 2, 2] = 10  # one pixel is enough
    tags = torch.tensor([[False, True], [False, False]])
    none = torch.tensor([False, False])
    assert tag_loss(logits, tags, torch.tensor([True, True])).item() < 1e-3
    assert tag_loss(logits, ~tags, torch.tensor([True, True])).item() > 5
    assert tag_loss(logits, ~tags, none).item() == 0  # nobody said what they show


def slow_tag_loss(logits: np.ndarray, tags: np.ndarray, is_tagged: np.ndarray) -> float:
    losses = []
    for image, marks, tagged in zip(logits, tags, is_tagged, strict=True):
        classes = []
        for k, mark in enumerate(marks):
            probability = 1 / (1 + np.exp(-max(image[k].ravel())))
            classes.append(-np.log(probability if mark else 1 - probability))
        losses.append(np.mean(classes) if tagged else 0.0)
    return float(np.mean(losses))


@pytest.mark.parametrize("case", ["plain", "one class", "no class", "one untagged", "all untagged"])
def test_the_tag_loss_is_that_of_a_loop(case: str) -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(3, 1 if case == "one class" else 4, 5, 6))
    tags = rng.random(logits.shape[:2]) < (0 if case == "no class" else 0.5)
    is_tagged = np.array(
        {"one untagged": [1, 0, 1], "all untagged": [0, 0, 0]}.get(case, [1, 1, 1])
    )
    found = tag_loss(*(torch.tensor(values) for values in (logits, tags, is_tagged)))
    assert found.item() == pytest.approx(slow_tag_loss(logits, tags, is_tagged), abs=1e-6)


def slow_choices(logits: np.ndarray, tags: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """The best of the tags for each pixel inside of the image."""
    labels = np.full(inside.shape, UNKNOWN)
    for image, y, x in np.argwhere(inside):
        labels[image, y, x] = max(np.flatnonzero(tags[image]), key=lambda k: logits[image, k, y, x])
    return labels


@pytest.mark.parametrize("strong_rows", [32, 20, 0])  # known rows of the class maps
@pytest.mark.parametrize("weak_tags", [[True, False, True], [False, True, False]])
def test_the_four_losses_are_those_of_loops(strong_rows: int, weak_tags: list[bool]) -> None:
    torch.manual_seed(0)
    learner = LPLLearner(TINY, 3).eval()
    learner.judge.counts.copy_(1e5 * torch.tensor([[9, 8, 7], [9, 8, 7], [8.5, 7.9, 6]]))
    strong = batch(2, [[True, True, False]] * 2, 0, slice(0, strong_rows))
    weak = batch(2, [weak_tags] * 2, 1, slice(0, 24))
    images = torch.cat([strong.images, weak.images])
    with torch.no_grad():
        losses = learner({"strong": strong, "weak": weak})
        hybrid, pseudo = (
            network(images, torch.tensor([[32, 32]] * 4)).logits[0]
            for network in (learner.hybrid, learner.pseudo)
        )
    full = [
        interpolate(logits, (32, 32), mode="bilinear").double().numpy()
        for logits in (hybrid, pseudo)
    ]
    tags = np.array([[True, True, False]] * 2 + [weak_tags] * 2)
    inside, truth = weak.inside.numpy(), strong.class_maps.numpy()
    taught, crossed = (slow_choices(logits[2:], tags[2:], inside) for logits in full)
    trust = learner.judge.trust(weak.tags).numpy()  # as a loop counts, above
    cross = [
        class_aware_cross_entropy(full[0][i : i + 1], tags[i : i + 1], crossed[i - 2 : i - 1])
        for i in (2, 3)
    ]
    assert trust.min() > 0.01
    wanted = {
        "strong": class_aware_cross_entropy(full[0][:2], tags[:2], truth),
        "teach": class_aware_cross_entropy(full[1][2:], tags[2:], taught),
        "tags": slow_tag_loss(hybrid.double().numpy(), tags, np.ones(4)),
        "cross": float(np.mean(cross * trust)),
    }
    assert {name: loss.item() for name, loss in losses.items()} == pytest.approx(wanted, abs=1e-4)


def test_the_pseudo_network_never_learns_from_class_maps() -> None:
    learner = LPLLearner(TINY, 3)
    losses = learner(
        {
            "strong": batch(2, [[True, True, False]] * 2, 0),
            "weak": batch(2, [[True, False, True]] * 2, 1, slice(0, 20)),
        }
    )
    assert list(losses) == ["strong", "teach", "tags", "cross"]
    assert losses["cross"].item() == 0  # nothing is trusted yet
    losses["strong"].backward(retain_graph=True)
    assert all(parameter.grad is None for parameter in learner.pseudo.parameters())
    losses["teach"].backward()
    assert any(parameter.grad is not None for parameter in learner.pseudo.parameters())


def test_first_labels_teach_as_far_as_nothing_else_is_trusted() -> None:
    torch.manual_seed(0)
    learner = LPLLearner(TINY, 3, has_first_labels=True).eval()
    learner.judge.counts.copy_(1e5 * torch.tensor([[9, 8, 7], [9, 8, 7], [8.5, 7.9, 6]]))
    strong = batch(2, [[True, True, False]] * 2, 0)
    weak = batch(2, [[True, True, True], [True, True, False]], 1, slice(0, 24))
    with torch.no_grad():
        found = learner({"strong": strong, "weak": weak})["first"].item()
        images = torch.cat([strong.images, weak.images])
        logits = learner.hybrid(images, torch.tensor([[32, 32]] * 4)).logits[0][2:]
    full = interpolate(logits, (32, 32), mode="bilinear").double().numpy()
    tags, maps = weak.tags.numpy(), weak.class_maps.numpy()
    alone = [
        class_aware_cross_entropy(full[i : i + 1], tags[i : i + 1], maps[i : i + 1]) for i in (0, 1)
    ]
    rest = 1 - learner.judge.trust(weak.tags).numpy()
    assert 0 < rest[1] < rest[0] < 1
    assert found == pytest.approx(float(np.mean(alone * rest)), abs=1e-4)


def test_labels_are_chosen_among_the_tags_and_not_beyond_the_image() -> None:
    logits = torch.randn(2, 3, 8, 8)
    tags = torch.tensor([[True, False, True], [False, True, False]])
    inside = torch.ones(2, 32, 32, dtype=torch.bool)
    inside[:, 20:] = False
    labels = masked(choices(restrict(logits, tags), torch.Size((32, 32))), inside)
    assert set(labels[0, :20].unique().tolist()) <= {0, 2}
    assert labels[1, :20].unique().tolist() == [1]
    assert (labels[:, 20:] == UNKNOWN).all()
