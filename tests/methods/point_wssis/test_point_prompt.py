"""Masks of points against one convolution for each point and level."""

from typing import NamedTuple

import pytest
import torch
from torch import Tensor

from ray_wssis.data.records import Click
from ray_wssis.methods.point_wssis.point_prompt import (
    NO_LEVEL,
    SAME_MASK_IOU,
    PointMasks,
    decode_points,
    levels_of_size,
)
from ray_wssis.models.solov2 import SOLOv2Output

GRIDS = (10, 8, 5, 4, 3)
RANGES = ((1, 20), (20, 40), (40, 80), (80, 160), (160, 640))
HEIGHT, WIDTH = 64, 96


def output_of(seed: int = 0) -> SOLOv2Output:
    generator = torch.Generator().manual_seed(seed)
    return SOLOv2Output(
        class_logits=[torch.randn(2, 3, s, s, generator=generator) for s in GRIDS],
        kernels=[torch.randn(2, 4, s, s, generator=generator) for s in GRIDS],
        mask_features=torch.randn(2, 4, HEIGHT // 4, WIDTH // 4, generator=generator),
    )


def random_points(num: int, seed: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    xy = torch.rand(num, 2, generator=generator) * torch.tensor([WIDTH, HEIGHT])
    return xy, torch.randint(0, 3, (num,), generator=generator)


def point_by_point(output: SOLOv2Output, index: int, xy: Tensor, labels: Tensor) -> PointMasks:
    """The published way: for each point and level one convolution, then the best level."""
    height, width = output.canvas
    masks, levels, class_scores, masknesses, margins = [], [], [], [], []
    for (x, y), label in zip(xy.tolist(), labels.tolist(), strict=True):
        best = (-1.0, torch.zeros(height // 4, width // 4), NO_LEVEL, 0.0, 0.0)
        scores = []
        for level, side in enumerate(kernels.shape[-1] for kernels in output.kernels):
            row = min(int(y / height * side), side - 1)
            column = min(int(x / width * side), side - 1)
            kernel = output.kernels[level][index, :, row, column].view(1, -1, 1, 1)
            features = output.mask_features[index : index + 1]
            mask = torch.nn.functional.conv2d(features, kernel)[0, 0].sigmoid()
            inside = mask > 0.5
            sure = float(mask[inside].mean()) if inside.any() else 0.0
            probability = float(output.class_logits[level][index, label, row, column].sigmoid())
            scores.append(sure * probability)
            if sure * probability > best[0]:
                best = (sure * probability, mask, level, probability, sure)
        masks.append(best[1])
        levels.append(best[2])
        class_scores.append(best[3])
        masknesses.append(best[4])
        margins.append(sorted(scores)[-1] - sorted(scores)[-2])
    return PointMasks(
        masks=torch.stack(masks),
        level=torch.tensor(levels),
        class_score=torch.tensor(class_scores),
        maskness=torch.tensor(masknesses),
        margin=torch.tensor(margins),
    )


def assert_same(found: PointMasks, expected: PointMasks) -> None:
    for name, value in vars(expected).items():
        torch.testing.assert_close(getattr(found, name), value, msg=name, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("index", [0, 1])
def test_all_points_at_once_are_one_after_the_other(index: int) -> None:
    xy, labels = random_points(40, seed=index)
    assert_same(
        decode_points(output_of(), index, xy, labels),
        point_by_point(output_of(), index, xy, labels),
    )


def test_600_points_keep_their_order() -> None:
    xy, labels = random_points(600, seed=2)
    found = decode_points(output_of(), 0, xy, labels)
    assert_same(found, point_by_point(output_of(), 0, xy, labels))


def test_points_in_the_corners_and_on_the_far_edges_have_cells() -> None:
    x, y = float(WIDTH), float(HEIGHT)
    xy = torch.tensor([[0.0, 0.0], [x - 0.01, 0], [0, y - 0.01], [x, y]])
    labels = torch.tensor([0, 1, 2, 0])
    assert_same(
        decode_points(output_of(), 0, xy, labels), point_by_point(output_of(), 0, xy, labels)
    )


def test_two_points_on_one_pixel_are_two_records() -> None:
    xy, labels = torch.tensor([[40.0, 30.0]] * 3), torch.tensor([1, 1, 2])
    found = decode_points(output_of(), 0, xy, labels)
    assert len(found.level) == 3
    torch.testing.assert_close(found.masks[0], found.masks[1])


def test_no_points_no_masks() -> None:
    found = decode_points(
        output_of(), 0, torch.zeros(0, 2), torch.zeros(0, dtype=torch.int64), torch.ones(0, 5) > 0
    )
    assert found.masks.shape == (0, HEIGHT // 4, WIDTH // 4)
    assert len(found.level) == len(found.class_score) == len(found.maskness) == 0


def test_a_mask_drawn_nowhere_has_no_level() -> None:
    output = output_of()
    output.mask_features.fill_(1)
    for kernels in output.kernels:
        kernels[0] = -1
    xy, labels = random_points(5, seed=0)
    found = decode_points(output, 0, xy, labels)
    assert found.level.tolist() == [NO_LEVEL] * 5
    assert not found.maskness.any()
    assert not (found.masks > 0.5).any()


def test_only_allowed_levels_answer() -> None:
    xy, labels = random_points(30, seed=3)
    allowed = torch.rand(30, 5, generator=torch.Generator().manual_seed(0)) > 0.6
    allowed[0] = False
    found = decode_points(output_of(), 0, xy, labels, allowed)
    assert found.level[0] == NO_LEVEL
    for level, may in zip(found.level.tolist(), allowed, strict=True):
        assert level == NO_LEVEL or bool(may[level])
    only = torch.zeros(30, 5, dtype=torch.bool)
    only[:, 2] = True
    assert set(decode_points(output_of(), 0, xy, labels, only).level.tolist()) <= {2, NO_LEVEL}


def test_the_levels_of_a_size_are_those_that_train_for_it() -> None:
    sizes = torch.tensor([[10.0, 10.0], [20.0, 20.0], [80.0, 20.0], [0.5, 0.5], [900.0, 900.0]])
    assert levels_of_size(sizes, RANGES).tolist() == [
        [True, False, False, False, False],
        [False, True, False, False, False],  # the upper end is excluded
        [False, False, True, False, False],  # the root of the area decides
        [True] * 5,  # outside every range: any level may answer
        [True] * 5,
    ]
    overlapping = levels_of_size(torch.tensor([[50.0, 50.0]]), ((1, 96), (48, 192)))
    assert overlapping.tolist() == [[True, True]]


def test_reference_keeps_some_of_the_points_and_their_masks() -> None:
    xy, labels = random_points(40, seed=3)
    xy = (xy * 10_000 / WIDTH).floor() / 10_000 * WIDTH  # cut to four digits already
    ours = decode_points(output_of(), 0, xy, labels)
    published = decode_points(output_of(), 0, xy, labels, compat="reference")
    kept = published.level >= 0
    assert 0 < kept.sum() < 40
    same = kept & (published.level == ours.level)  # boundaries apart, as they are few
    assert same.sum() >= 0.8 * kept.sum()
    torch.testing.assert_close(published.masks[same], ours.masks[same])


class Candidate(NamedTuple):
    """The mask that one cell draws, and its scores."""

    score: float
    level: int
    mask: Tensor  # (h, w) float
    class_score: float
    maskness: float


def every_candidate(
    output: SOLOv2Output, xy: Tensor, labels: Tensor, clicks: list[list[Click]]
) -> list[list[Candidate]]:
    """All candidates of each object in image 0, in the order in which equals are preferred."""
    height, width = output.canvas
    by_object = []
    for i, ((x, y), label) in enumerate(zip(xy.tolist(), labels.tolist(), strict=True)):
        on = [(x, y), *((click.x, click.y) for click in clicks[i] if click.positive)]
        off = [(click.x, click.y) for click in clicks[i] if not click.positive]
        candidates = []
        for place in on:
            for level, kernels in enumerate(output.kernels):
                side = kernels.shape[-1]
                row = min(int(place[1] / height * side), side - 1)
                column = min(int(place[0] / width * side), side - 1)
                kernel = kernels[0, :, row, column]
                mask = (kernel[:, None, None] * output.mask_features[0]).sum(dim=0).sigmoid()
                inside = mask > 0.5
                sure = float(mask[inside].mean()) if inside.any() else 0.0
                probability = float(output.class_logits[level][0, label, row, column].sigmoid())
                score = sure * probability
                if clicks[i]:
                    held = sum(bool(inside[int(b) // 4, int(a) // 4]) for a, b in on) / len(on)
                    hit = sum(bool(inside[int(b) // 4, int(a) // 4]) for a, b in off)
                    score *= max(held * (1 - hit / max(len(off), 1)), 1e-3)
                candidates.append(Candidate(score, level, mask, probability, sure))
        by_object.append(candidates)
    return by_object


def heeding(candidates: list[list[Candidate]], xy: Tensor) -> list[list[Candidate]]:
    """The candidates of objects with one point each: its part, scored by all points."""
    places = [(int(y) // 4, int(x) // 4) for x, y in xy.tolist()]
    return [
        [heeding_one(candidate, place, places) for candidate in of_object]
        for of_object, place in zip(candidates, places, strict=True)
    ]


def heeding_one(whole: Candidate, own: tuple[int, int], places: list[tuple[int, int]]) -> Candidate:
    inside = whole.mask > 0.5
    part, fresh = torch.zeros_like(inside), [own] if inside[own] else []
    while fresh:
        row, column = fresh.pop()
        if inside[row, column] and not part[row, column]:
            part[row, column] = True
            around = [(row + i, column + j) for i in (-1, 0, 1) for j in (-1, 0, 1)]
            fresh += [(i, j) for i, j in around if i in range(16) and j in range(24)]
    part = part if inside[own] else inside
    sure = float(whole.mask[part].mean()) if part.any() else 0.0
    others = sum(bool(part[place]) for place in places if place != own)
    factor = max(0.25**others * (1 if part[own] else 0.1), 1e-3)
    mask = torch.where(inside & ~part, 0, whole.mask)
    score = whole.class_score * sure * factor
    return whole._replace(score=score, mask=mask, maskness=sure)


def apart_one_by_one(candidates: list[list[Candidate]], max_iou: float) -> list[Candidate | None]:
    """Better candidates come first; every pair of masks is compared."""
    queue = [
        (i, own) for i, of_object in enumerate(candidates) for own in of_object if own.score > 0
    ]
    kept: dict[int, Candidate] = {}
    for i, candidate in sorted(queue, key=lambda entry: -entry[1].score):
        inside = candidate.mask > 0.5
        taken = [other.mask > 0.5 for other in kept.values()]
        if all((inside & o).sum() <= max_iou * (inside | o).sum() for o in taken):
            kept.setdefault(i, candidate)
    return [kept.get(i) for i in range(len(candidates))]


def assert_chosen(
    found: PointMasks, expected: list[Candidate | None], candidates: list[list[Candidate]]
) -> None:
    assert found.level.tolist() == [NO_LEVEL if own is None else own.level for own in expected]
    for i, own in enumerate(expected):
        if own is None:
            assert found.margin[i] == 0
            continue
        torch.testing.assert_close(found.masks[i], own.mask)
        assert found.class_score[i] == pytest.approx(own.class_score, abs=1e-5)
        assert found.maskness[i] == pytest.approx(own.maskness, abs=1e-5)
        levels = {other.level for other in candidates[i]} - {own.level}
        best = [max(o.score for o in candidates[i] if o.level == level) for level in levels]
        lower = [score for score in best if score <= own.score]
        assert found.margin[i] == pytest.approx(own.score - max(lower, default=0), abs=1e-5)


@pytest.mark.parametrize(("num", "seed"), [(2, 0), (40, 0), (40, 1), (150, 2)])
def test_of_two_points_with_one_mask_the_weaker_picks_again(num: int, seed: int) -> None:
    xy, labels = random_points(num, seed)
    output = output_of(seed)
    candidates = every_candidate(output, xy, labels, [[]] * num)
    expected = apart_one_by_one(candidates, SAME_MASK_IOU)
    found = decode_points(output, 0, xy, labels, max_iou=SAME_MASK_IOU)
    assert_chosen(found, expected, candidates)
    if num > 2:
        best = decode_points(output, 0, xy, labels)
        assert ((found.level != best.level) & (found.level != NO_LEVEL)).any()
    if num > 40:
        assert (found.level == NO_LEVEL).any()


@pytest.mark.parametrize(("num", "seed"), [(1, 0), (2, 0), (40, 1), (150, 2)])
def test_a_mask_is_the_part_with_its_point_and_all_points_judge(num: int, seed: int) -> None:
    xy, labels = random_points(num, seed)
    output = output_of(seed)
    candidates = heeding(every_candidate(output, xy, labels, [[]] * num), xy)
    expected = apart_one_by_one(candidates, SAME_MASK_IOU)
    found = decode_points(output, 0, xy, labels, max_iou=SAME_MASK_IOU, heed_points=True)
    assert_chosen(found, expected, candidates)


def test_three_points_on_one_pixel_keep_three_masks() -> None:
    xy, labels = torch.tensor([[40.0, 30.0]] * 3), torch.tensor([1, 1, 2])
    found = decode_points(output_of(), 0, xy, labels, max_iou=SAME_MASK_IOU)
    assert sorted(set(found.level.tolist())) == sorted(found.level.tolist())
    assert (found.level >= 0).all()
    alone = decode_points(output_of(), 0, xy[:1], labels[:1])
    assert found.level[0] == alone.level[0]  # the first of two equals


def test_a_point_alone_is_the_same_whatever_the_limit() -> None:
    xy, labels = random_points(1, seed=4)
    assert_same(
        decode_points(output_of(), 0, xy, labels, max_iou=SAME_MASK_IOU),
        decode_points(output_of(), 0, xy, labels),
    )


def test_who_picks_again_picks_an_allowed_level() -> None:
    xy, labels = random_points(60, seed=5)
    allowed = torch.rand(60, 5, generator=torch.Generator().manual_seed(1)) > 0.5
    found = decode_points(output_of(), 0, xy, labels, allowed, max_iou=SAME_MASK_IOU)
    first = decode_points(output_of(), 0, xy, labels, allowed)
    assert ((found.level != first.level) & (found.level >= 0)).any()
    for level, may in zip(found.level.tolist(), allowed, strict=True):
        assert level == NO_LEVEL or bool(may[level])


def test_the_margin_is_the_lead_over_the_next_available_level() -> None:
    output = output_of()
    xy, labels = torch.tensor([[40.0, 30.0]] * 2), torch.tensor([1, 1])
    (candidates, _) = every_candidate(output, xy, labels, [[], []])
    scores = sorted((candidate.score for candidate in candidates), reverse=True)
    found = decode_points(output, 0, xy, labels, max_iou=SAME_MASK_IOU)
    expected = [scores[0] - scores[1], scores[1] - scores[2]]
    torch.testing.assert_close(found.margin, torch.tensor(expected))
    only = torch.zeros(2, 5, dtype=torch.bool)
    only[:, 3] = True
    found = decode_points(output, 0, xy, labels, only)
    torch.testing.assert_close(found.margin, found.class_score * found.maskness)


def random_clicks(num: int, seed: int) -> list[list[Click]]:
    """None for every third object, else up to three."""
    generator = torch.Generator().manual_seed(seed)
    xy = (torch.rand(num, 3, 2, generator=generator) * torch.tensor([WIDTH, HEIGHT])).tolist()
    positive = (torch.rand(num, 3, generator=generator) > 0.5).tolist()
    return [
        [Click(xy[i][k][0], xy[i][k][1], positive[i][k]) for k in range(i % 3 and 1 + i % 4 % 3)]
        for i in range(num)
    ]


@pytest.mark.parametrize("max_iou", [1, SAME_MASK_IOU])
def test_every_positive_click_offers_its_cells_and_all_clicks_judge(max_iou: float) -> None:
    xy, labels = random_points(30, seed=6)
    clicks = random_clicks(30, seed=6)
    output = output_of(3)
    candidates = every_candidate(output, xy, labels, clicks)
    expected = apart_one_by_one(candidates, max_iou)
    found = decode_points(output, 0, xy, labels, clicks=clicks, max_iou=max_iou)
    assert_chosen(found, expected, candidates)
    plain = decode_points(output, 0, xy, labels, max_iou=max_iou)
    assert (found.level != plain.level).any()


def test_clicks_of_others_change_nothing_and_no_clicks_are_none() -> None:
    xy, labels = random_points(30, seed=7)
    clicks = random_clicks(30, seed=7)
    with_clicks = decode_points(output_of(), 0, xy, labels, clicks=clicks)
    without = decode_points(output_of(), 0, xy, labels)
    for i in range(0, 30, 3):
        for name, value in vars(without).items():
            torch.testing.assert_close(getattr(with_clicks, name)[i], value[i], msg=name)
    assert_same(decode_points(output_of(), 0, xy, labels, clicks=[[]] * 30), without)


def test_a_mask_against_all_clicks_is_better_than_none() -> None:
    output = output_of()
    output.mask_features.fill_(1)
    for kernels in output.kernels:
        kernels.fill_(1)  # every mask is the whole image
    xy, labels = torch.tensor([[10.0, 10.0], [50.0, 50.0]]), torch.tensor([0, 1])
    clicks = [[], [Click(5.0, 5.0, False)]]
    found = decode_points(output, 0, xy, labels, clicks=clicks)
    plain = decode_points(output, 0, xy, labels)
    assert found.level.tolist() == plain.level.tolist()
    assert (found.level != NO_LEVEL).all()
    torch.testing.assert_close(found.margin, plain.margin * torch.tensor([1, 1e-3]))
    torch.testing.assert_close(found.class_score, plain.class_score)


def test_reference_does_not_look_at_clicks_overlaps_and_parts() -> None:
    xy, labels = random_points(30, seed=8)
    clicks = random_clicks(30, seed=8)
    assert_same(
        decode_points(
            output_of(),
            0,
            xy,
            labels,
            None,
            "reference",
            clicks=clicks,
            max_iou=SAME_MASK_IOU,
            heed_points=True,
        ),
        decode_points(output_of(), 0, xy, labels, None, "reference"),
    )
