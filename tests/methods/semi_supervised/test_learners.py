"""What each method learns from images without labels, against loops and by its gradients."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from ray_wssis.methods.semi_supervised import unimatch
from ray_wssis.methods.semi_supervised.config import CPS, MeanTeacher, StrongView, UniMatch
from ray_wssis.methods.semi_supervised.cps import CPSLearner
from ray_wssis.methods.semi_supervised.mean_teacher import MeanTeacherLearner, distance
from ray_wssis.methods.semi_supervised.strong_view import strong_view
from ray_wssis.methods.semi_supervised.teacher import Teacher
from ray_wssis.methods.semi_supervised.unimatch import (
    UniMatchLearner,
    complementary,
    sure_cross_entropy,
)
from ray_wssis.semantic.loss import choices, masked, pixel_cross_entropy
from ray_wssis.semantic.samples import Batch
from tests.support.tiny_semantic import TINY, batch

K = 3
ALL = [True, True, True]
Learner = CPSLearner | MeanTeacherLearner | UniMatchLearner

LEARNERS: dict[str, Callable[[], Learner]] = {
    "cps": lambda: CPSLearner(TINY, CPS(cutmix=False), K),
    "cps with cutmix": lambda: CPSLearner(TINY, CPS(), K),
    "mean_teacher": lambda: MeanTeacherLearner(TINY, MeanTeacher(), K),
    "unimatch": lambda: UniMatchLearner(TINY, UniMatch(threshold=0.0), K),
}


def batches() -> dict[str, Batch]:
    return {"strong": batch(2, [ALL] * 2, 0), "unlabelled": batch(3, [ALL] * 3, 1)}


@pytest.mark.parametrize("name", LEARNERS)
def test_every_loss_is_finite_and_teaches_what_is_trained(name: str) -> None:
    torch.manual_seed(0)
    learner = LEARNERS[name]().train()
    losses = learner(batches())
    assert all(loss.isfinite() for loss in losses.values())
    torch.stack(list(losses.values())).sum().backward()
    for parameter_name, parameter in learner.named_parameters():
        assert (parameter.grad is not None) == parameter.requires_grad, parameter_name
    assert not any(p.requires_grad for n, p in learner.named_parameters() if "teacher" in n)


@pytest.mark.parametrize("name", LEARNERS)
def test_images_without_labels_are_never_asked_for_any(name: str) -> None:
    """Neither class maps nor tags of the unlabelled images change a loss."""
    plain, other = batches(), batches()
    other["unlabelled"].class_maps[:] = 1
    other["unlabelled"].tags[:] = False
    found = []
    for given in (plain, other):
        torch.manual_seed(0)
        losses = LEARNERS[name]().train()(given)
        found.append({key: loss.item() for key, loss in losses.items()})
    assert found[0] == found[1]


def test_without_weight_cps_is_supervised() -> None:
    torch.manual_seed(0)
    learner = CPSLearner(TINY, CPS(weight=0), K)
    losses = learner(batches())
    assert losses["cross_1"] == losses["cross_2"] == 0


def test_each_network_of_cps_learns_the_others_labels_on_all_images() -> None:
    torch.manual_seed(0)
    learner = CPSLearner(TINY, CPS(cutmix=False, weight=1.5), K).eval()
    given = batches()
    given["unlabelled"].inside[:, 5:] = False
    losses = learner(given)
    images = torch.cat([batch.images for batch in given.values()])
    sizes = torch.cat([batch.sizes for batch in given.values()])
    inside = torch.cat([batch.inside for batch in given.values()])
    one, two = (network(images, sizes).logits[0].detach() for network in learner.networks)
    for name, seen, other in (("cross_1", one, two), ("cross_2", two, one)):
        labels = masked(choices(other, inside.shape[-2:]), inside)
        assert losses[name].item() == pytest.approx(
            1.5 * pixel_cross_entropy(seen, labels).item(), rel=1e-5
        )


def test_no_gradient_reaches_the_network_that_makes_the_labels() -> None:
    torch.manual_seed(0)
    learner = CPSLearner(TINY, CPS(), K).train()
    learner(batches())["cross_1"].backward()
    assert any(parameter.grad is not None for parameter in learner.served.parameters())
    assert all(parameter.grad is None for parameter in learner.other.parameters())


def test_the_teacher_is_the_running_mean_of_the_student() -> None:
    torch.manual_seed(0)
    learner = MeanTeacherLearner(TINY, MeanTeacher(decay=0.7), K)
    weight = next(iter(learner.student.heads.parameters()))
    seen, mean = [], 0.0
    for step in range(1, 7):
        with torch.no_grad():
            weight.fill_(float(step**2))
        learner.teacher.follow(learner.student)
        decay = min(0.7, 1 - 1 / step)
        mean = decay * mean + (1 - decay) * step**2
        seen.append(next(iter(learner.teacher.network.heads.parameters())).mean().item())
        assert seen[-1] == pytest.approx(mean, rel=1e-5)
    assert seen[1] == pytest.approx((1 + 4) / 2)  # few steps weigh alike


def test_the_weight_of_the_distance_rises_to_its_whole() -> None:
    learner = MeanTeacherLearner(TINY, MeanTeacher(weight=10, ramp_steps=4), K)
    found = []
    for _ in range(6):
        learner.teacher.follow(learner.student)
        found.append(learner.weight())
    steps = np.minimum(np.arange(1, 7) / 4, 1)
    assert found == pytest.approx((10 * np.exp(-5 * (1 - steps) ** 2)).tolist(), rel=1e-5)
    at_once = MeanTeacherLearner(TINY, MeanTeacher(weight=10), K)
    at_once.teacher.follow(at_once.student)
    assert at_once.weight() == 10


def test_the_teacher_keeps_its_count_in_a_checkpoint() -> None:
    student = MeanTeacherLearner(TINY, MeanTeacher(), K).student
    teacher, copy = Teacher(student, 0.9), Teacher(student, 0.9)
    for _ in range(3):
        teacher.follow(student)
    copy.load_state_dict(teacher.state_dict())
    assert copy.num_steps == 3


def test_the_distance_of_two_probabilities_is_a_mean_over_what_shows_an_image() -> None:
    rng = np.random.default_rng(0)
    logits, wanted = rng.normal(size=(2, 2, K, 4, 4))
    inside = np.ones((2, 16, 16), bool)
    inside[1, 8:] = False  # whole cells of the logits
    total, pixels = 0.0, 0
    for image, y, x in np.ndindex(2, 4, 4):
        if not inside[image, 4 * y, 4 * x]:
            continue
        own, other = (np.exp(maps[image, :, y, x]) for maps in (logits, wanted))
        total += ((own / own.sum() - other / other.sum()) ** 2).mean()
        pixels += 1
    found = distance(
        torch.tensor(logits).float(), torch.tensor(wanted).float(), torch.tensor(inside)
    )
    assert found.item() == pytest.approx(total / pixels, rel=1e-5)


def test_sure_labels_are_learnt_and_all_pixels_of_images_count() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(1, K, 6, 6)).astype(np.float32)
    labels = rng.integers(0, K, (1, 6, 6)).astype(np.uint8)
    is_sure, inside = rng.random((2, 1, 6, 6)) < 0.6
    total = 0.0
    for y, x in np.ndindex(6, 6):
        if is_sure[0, y, x] and inside[0, y, x]:
            exponentials = np.exp(logits[0, :, y, x])
            total -= np.log(exponentials[labels[0, y, x]] / exponentials.sum())
    found = sure_cross_entropy(*map(torch.tensor, (logits, labels, is_sure, inside)))
    assert found.item() == pytest.approx(total / inside.sum(), rel=1e-5)
    nothing = torch.zeros(1, 6, 6, dtype=torch.bool)
    assert sure_cross_entropy(torch.tensor(logits), torch.tensor(labels), nothing, nothing) == 0


def test_the_views_see_complementary_channels() -> None:
    torch.manual_seed(0)
    factors = complementary(10, 200)[:, :, 0, 0]  # (2 m, D)
    first, second = factors.split(10)
    assert (first + second == 2).all()
    whole = (first == 1).all(1)
    assert whole.sum() == 5
    assert set(first[~whole].unique().tolist()) == {0.0, 2.0}
    assert first[~whole].mean().item() == pytest.approx(1, abs=0.1)


def test_a_threshold_that_nothing_reaches_teaches_nothing() -> None:
    torch.manual_seed(0)
    learner = UniMatchLearner(TINY, UniMatch(threshold=0.999), K).train()
    with torch.no_grad():
        next(iter(learner.student.heads.parameters())).zero_()  # all classes nearly alike
    assert learner(batches())["unlabelled"] == 0


def test_labels_move_with_the_boxes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each view learns what the teacher sees in the image that a pixel came from."""
    given = batches()
    marks = torch.zeros_like(given["unlabelled"].inside)  # (3, H, W)
    marks[0, :8] = True
    monkeypatch.setattr(UniMatchLearner, "boxes", lambda *_: marks)
    seen = []

    def note(_: object, labels: torch.Tensor, *__: object) -> torch.Tensor:
        seen.append(labels)
        return torch.zeros(())

    monkeypatch.setattr(unimatch, "sure_cross_entropy", note)
    torch.manual_seed(0)
    learner = UniMatchLearner(TINY, UniMatch(), K).train()
    learner(given)
    labels, _ = learner.teach(given["unlabelled"])
    for view in seen:
        assert torch.equal(view[0, :8], labels[2, :8]) and torch.equal(view[0, 8:], labels[0, 8:])
        assert torch.equal(view[1:], labels[1:])


def test_a_strong_view_keeps_shape_and_type_and_changes_images_differently() -> None:
    torch.manual_seed(0)
    image = torch.randint(256, (1, 3, 32, 32), dtype=torch.uint8)
    view = strong_view(image.expand(6, 3, 32, 32).contiguous(), StrongView())
    assert view.shape == (6, 3, 32, 32) and view.dtype == torch.uint8
    assert len({tuple(x.flatten().tolist()) for x in view}) > 3


def test_a_strong_view_changes_no_more_than_it_is_told() -> None:
    torch.manual_seed(0)
    images = torch.randint(256, (6, 3, 32, 32), dtype=torch.uint8)
    assert torch.equal(strong_view(images, StrongView(jitter=0, grey=0, blur=0)), images)
    grey = strong_view(images, StrongView(jitter=0, grey=1, blur=0))
    assert torch.equal(grey[:, 0], grey[:, 1])
    dark = StrongView(jitter=1, contrast=0, saturation=0, hue=0, grey=0, blur=0)
    factors = strong_view(images, dark).float().mean((1, 2, 3)) / images.float().mean((1, 2, 3))
    assert factors.min() < 0.95 and factors.min() > 0.4  # brightness alone


def test_what_lies_beyond_an_image_is_never_learnt() -> None:
    given = batches()
    given["unlabelled"].inside[:] = False
    for name in ("cps with cutmix", "mean_teacher", "unimatch"):
        torch.manual_seed(0)
        losses = LEARNERS[name]().train()(given)
        unlabelled = [loss for key, loss in losses.items() if not key.startswith("strong")]
        assert unlabelled and all(loss == 0 for loss in unlabelled), name
