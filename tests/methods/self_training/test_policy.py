"""Which pixels a student learns, against all pixels sorted."""

import numpy as np
import pytest
from numpy.typing import NDArray

from ray_wssis.methods.self_training.config import CBST, DARS, SmallLoss, Threshold
from ray_wssis.methods.self_training.histogram import LEVELS, Histogram, Kept
from ray_wssis.methods.self_training.policy import above, choose, costs_little, probability

K = 4
Pixels = NDArray[np.uint8]


def image(seed: int, largest: int = 255) -> tuple[Pixels, Pixels]:
    rng = np.random.default_rng(seed)
    labels = rng.choice(K, (1000, 1500), p=[0.7, 0.2, 0.09, 0.01]).astype(np.uint8)
    spread = rng.gamma(2.0, 30.0, labels.shape) + 20 * labels
    return labels, np.clip(spread, 0, largest).astype(np.uint8)


def shares_kept(labels: Pixels, certainty: Pixels, kept: Kept) -> NDArray[np.float64]:
    """What part of all pixels each class has among those that are kept."""
    marks = kept.marks(labels, certainty, np.random.default_rng(0))
    counted: NDArray[np.float64] = np.bincount(labels[marks], minlength=K) / labels.size
    return counted


def test_thresholds_are_those_of_sorted_pixels() -> None:
    labels, certainty = image(0)
    seen = Histogram.of(labels, certainty, K)
    kept = choose(CBST(shares=(0.3,)), 1, seen, np.full(K, 1 / K))
    for label in range(K):
        surest = np.sort(certainty[labels == label])[::-1]
        assert kept.levels[label] == surest[int(np.ceil(0.3 * len(surest))) - 1]


def test_histograms_of_images_add_up() -> None:
    both = [image(1), image(2)]
    together = Histogram.none(K)
    for labels, certainty in both:
        together += Histogram.of(labels, certainty, K)
    labels, certainty = (np.concatenate(planes) for planes in zip(*both, strict=True))
    assert np.array_equal(together.counts, Histogram.of(labels, certainty, K).counts)
    assert together.counts.shape == (K, LEVELS)
    assert together.counts.sum() == labels.size


def test_cbst_keeps_the_same_share_of_each_class_though_many_pixels_are_as_sure() -> None:
    labels, certainty = image(3, largest=60)  # about half of all pixels tie
    seen = Histogram.of(labels, certainty, K)
    kept = choose(CBST(shares=(0.2, 0.5)), 2, seen, np.full(K, 1 / K))
    ours = shares_kept(labels, certainty, kept) / (seen.pixels() / labels.size)
    assert ours == pytest.approx(np.full(K, 0.5), rel=0.05)


@pytest.mark.parametrize("largest", [255, 60])
def test_dars_keeps_the_shares_of_the_class_maps(largest: int) -> None:
    labels, certainty = image(4, largest)
    prior = np.array([0.85, 0.1, 0.04, 0.01])
    kept = choose(DARS(shares=(0.6,)), 1, Histogram.of(labels, certainty, K), prior)
    ours = shares_kept(labels, certainty, kept)
    assert ours.sum() == pytest.approx(0.6, rel=0.01)
    assert ours / ours.sum() == pytest.approx(prior, rel=0.02)


def test_dars_keeps_all_pixels_of_a_class_with_too_few_and_none_of_one_without_prior() -> None:
    labels, certainty = image(5)
    prior = np.array([0.5, 0.0, 0.1, 0.4])  # of the last class there is 1 %
    kept = choose(DARS(shares=(0.5,)), 1, Histogram.of(labels, certainty, K), prior)
    ours = shares_kept(labels, certainty, kept)
    assert ours[3] == (labels == 3).mean()
    assert ours[1] == 0


def test_a_class_that_was_never_drawn_needs_no_threshold() -> None:
    labels, certainty = np.zeros((4, 4), np.uint8), np.full((4, 4), 9, np.uint8)
    kept = choose(CBST(shares=(0.5,)), 1, Histogram.of(labels, certainty, K), np.full(K, 1 / K))
    assert kept.levels.tolist() == [9, LEVELS, LEVELS, LEVELS]


@pytest.mark.parametrize("confidence", [0.0, 0.5, 0.9, 0.99])
def test_a_threshold_is_that_probability_to_one_level(confidence: float) -> None:
    chances = np.linspace(0, 0.999999, 5000)
    level = np.rint(np.minimum(-12 * np.log2(1 - chances), 255)).astype(np.uint8)
    labels = np.zeros((1, 5000), np.uint8)
    kept = choose(Threshold(confidence=confidence), 1, Histogram.none(K), np.full(K, 1 / K))
    marks = kept.marks(labels, level[None], np.random.default_rng(0))[0]
    lowest = chances[marks].min()
    assert (1 - lowest) / (1 - confidence) == pytest.approx(1, abs=0.06)
    at = probability(int(above(confidence, 1).levels[0]))
    assert at is not None and 1 - at == pytest.approx(1 - confidence, rel=0.03)
    assert probability(LEVELS) is None


def test_a_label_costs_little_if_the_teacher_gives_it_that_probability() -> None:
    rng = np.random.default_rng(7)
    p = rng.dirichlet(np.full(K, 0.3), (40, 50))  # of the teacher
    of_teacher = p.argmax(-1).astype(np.uint8)
    certainty = np.rint(np.minimum(-12 * np.log2(1 - p.max(-1) + 1e-12), 255)).astype(np.uint8)
    labels = rng.integers(0, K, (40, 50)).astype(np.uint8)
    for loss in (0.05, 0.1, 0.6):
        marks = costs_little(labels, of_teacher, certainty, loss)
        cost = -np.log(np.maximum(np.take_along_axis(p, labels[..., None], -1)[..., 0], 1e-12))
        surely = np.abs(np.log(-np.expm1(-cost)) - np.log(-np.expm1(-loss))) > 0.1  # not one level
        assert np.array_equal(marks[surely], (cost <= loss)[surely])
        assert 0 < marks.sum() < marks.size


def test_all_labels_pass_before_the_teacher_is_asked() -> None:
    labels, certainty = image(8)
    kept = choose(SmallLoss(), 1, Histogram.of(labels, certainty, K), np.full(K, 1 / K))
    assert kept.marks(labels, certainty, np.random.default_rng(0)).all()


def test_chance_among_pixels_that_are_as_sure_depends_on_the_seed_alone() -> None:
    labels, certainty = image(6, largest=30)
    kept = choose(CBST(shares=(0.5,)), 1, Histogram.of(labels, certainty, K), np.full(K, 1 / K))
    one, same, other = (
        kept.marks(labels, certainty, np.random.default_rng(seed)) for seed in (1, 1, 2)
    )
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)
