"""Matrix NMS and the choice of cells against loops; what happens when nothing is found."""

import math

import pytest
import torch
from torch import Tensor

from ray_wssis.models import solov2_inference
from ray_wssis.models.compat import Compat
from ray_wssis.models.solov2 import SOLOv2Output
from ray_wssis.models.solov2_config import InferenceConfig
from ray_wssis.models.solov2_inference import (
    detect,
    draw,
    keep_peaks,
    mask_iou,
    mask_nms,
    maskness,
    matrix_nms,
)

GRIDS = (4, 3, 2, 2, 1)


def output_of(class_bias: float = 0.0, seed: int = 0) -> SOLOv2Output:
    generator = torch.Generator().manual_seed(seed)
    return SOLOv2Output(
        class_logits=[class_bias + torch.randn(2, 3, s, s, generator=generator) for s in GRIDS],
        kernels=[torch.randn(2, 4, s, s, generator=generator) for s in GRIDS],
        mask_features=torch.randn(2, 4, 16, 20, generator=generator),
    )


def random_masks(num: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    rows, columns = torch.arange(20)[:, None], torch.arange(20)
    corners = torch.randint(0, 12, (num, 2), generator=generator)
    return torch.stack(
        [
            ((rows >= y) & (rows < y + 8) & (columns >= x) & (columns < x + 8))
            for y, x in corners.tolist()
        ]
    )


def test_a_peak_is_not_below_its_upper_and_left_neighbours() -> None:
    scores = torch.rand(2, 3, 6, 6, generator=torch.Generator().manual_seed(0))
    found = keep_peaks(scores)
    for index in torch.cartesian_prod(*(torch.arange(side) for side in scores.shape)).tolist():
        image, label, row, column = index
        window = scores[image, label, max(row - 1, 0) : row + 1, max(column - 1, 0) : column + 1]
        here = scores[image, label, row, column]
        assert found[image, label, row, column] == (here if here == window.max() else 0)


@pytest.mark.parametrize("seed", range(5))
def test_matrix_nms_is_that_of_loops_over_pairs(seed: int) -> None:
    num, sigma = 12, 2.0
    inside = random_masks(num, seed)
    labels = torch.randint(0, 2, (num,), generator=torch.Generator().manual_seed(seed))

    def iou(i: int, j: int) -> float:
        if labels[i] != labels[j]:
            return 0.0
        return float((inside[i] & inside[j]).sum() / (inside[i] | inside[j]).sum())

    expected = []
    for j in range(num):
        factor = 1.0
        for i in range(j):
            covered = max((iou(k, i) for k in range(i)), default=0.0)
            factor = min(factor, math.exp(-sigma * iou(i, j) ** 2 + sigma * covered**2))
        expected.append(factor)
    torch.testing.assert_close(matrix_nms(inside, labels, sigma), torch.tensor(expected))


def pair_by_pair(inside: Tensor, labels: Tensor, max_iou: float) -> list[int]:
    """The masks that stay: each is compared with the better ones of its class that stay."""
    kept: list[int] = []
    for j in range(len(inside)):
        if all(
            float((inside[i] & inside[j]).sum() / (inside[i] | inside[j]).sum()) <= max_iou
            for i in kept
            if labels[i] == labels[j]
        ):
            kept.append(j)
    return kept


@pytest.mark.parametrize("seed", range(5))
def test_mask_nms_is_that_of_loops_over_pairs(seed: int) -> None:
    inside = random_masks(12, seed)
    labels = torch.randint(0, 2, (12,), generator=torch.Generator().manual_seed(seed))
    expected = pair_by_pair(inside, labels, 0.3)
    found = mask_nms(inside, labels, 0.3)
    assert torch.nonzero(found).flatten().tolist() == expected
    assert len(expected) < 12


def test_mask_nms_keeps_what_is_empty_and_takes_no_masks() -> None:
    inside = torch.cat([torch.zeros(2, 20, 20, dtype=torch.bool), random_masks(1, 0)])
    assert mask_nms(inside, torch.zeros(3, dtype=torch.int64), 0.5).tolist() == [True] * 3
    assert mask_nms(inside[:0], torch.zeros(0, dtype=torch.int64), 0.5).shape == (0,)


def test_iou_of_all_pairs_is_that_of_each_and_empty_masks_have_none() -> None:
    inside = torch.cat([random_masks(4, 0), torch.zeros(1, 20, 20, dtype=torch.bool)])
    found = mask_iou(inside)
    for i in range(5):
        for j in range(5):
            union = (inside[i] | inside[j]).sum().clamp(min=1)
            assert found[i, j] == pytest.approx(float((inside[i] & inside[j]).sum() / union))


def test_maskness_is_the_mean_probability_inside_the_mask() -> None:
    masks = torch.tensor([[[0.9, 0.7], [0.2, 0.1]], [[0.1, 0.2], [0.3, 0.4]]])
    torch.testing.assert_close(maskness(masks, masks > 0.5), torch.tensor([0.8, 0.0]))


def cell_by_cell(output: SOLOv2Output, index: int, config: InferenceConfig) -> list[float]:
    """Scores before NMS, by asking each class of each cell."""
    found = []
    for level, stride in enumerate((8, 8, 16, 32, 32)):
        scores = keep_peaks(output.class_logits[level].sigmoid())[index]
        for label, row, column in torch.nonzero(scores > config.min_class_score).tolist():
            kernel = output.kernels[level][index, :, row, column]
            mask = torch.einsum("e,ehw->hw", kernel, output.mask_features[index]).sigmoid()
            inside = mask > config.mask_threshold
            if inside.sum() > stride:
                found.append(float(scores[label, row, column] * mask[inside].mean()))
    return sorted(found, reverse=True)


@pytest.mark.parametrize("index", [0, 1])
def test_without_nms_every_sure_cell_is_an_instance(index: int) -> None:
    output = output_of()
    config = InferenceConfig(nms_sigma=0, min_score=0)
    found = detect(output, config)[index]
    assert found.scores.tolist() == pytest.approx(cell_by_cell(output, index, config), rel=1e-5)
    assert found.masks.shape == (len(found.scores), 16, 20)
    assert found.labels.unique().tolist() == [0, 1, 2]


def test_instances_come_best_first_above_the_least_score_and_no_more_than_asked_for() -> None:
    everything = detect(output_of(), InferenceConfig(min_score=0))[0].scores
    assert (everything.diff() <= 0).all()
    least = float(everything[4])
    assert len(detect(output_of(), InferenceConfig(min_score=least))[0].scores) == 5
    best = detect(output_of(), InferenceConfig(min_score=0, max_instances=3))[0].scores
    torch.testing.assert_close(best, everything[:3])


def test_a_lesser_copy_of_an_instance_is_lowered_unless_of_another_class() -> None:
    inside = random_masks(1, 0).repeat(3, 1, 1)
    factors = matrix_nms(inside, torch.tensor([0, 1, 0]), 2.0)
    torch.testing.assert_close(factors, torch.tensor([1, 1, math.exp(-2.0)]))


def test_the_surest_cells_are_the_candidates() -> None:
    config = InferenceConfig(max_candidates=7, nms_sigma=0, min_score=0)
    found = detect(output_of(class_bias=5.0), config)[0]
    assert 0 < len(found.scores) <= 7


@pytest.mark.parametrize("index", [0, 1])
def test_reference_caps_the_candidates_by_the_scores_of_their_masks(index: int) -> None:
    output = output_of()
    config = InferenceConfig(nms_sigma=0, min_score=0)
    scores = cell_by_cell(output, index, config)
    num = len(scores) // 2
    capped = config.model_copy(update={"max_candidates": num})
    found = detect(output, capped, "reference")[index]
    assert found.scores.tolist() == pytest.approx(scores[:num], rel=1e-5)
    by_class_score = detect(output, capped)[index]
    assert by_class_score.scores.sum() < found.scores.sum()


@pytest.mark.parametrize("compat", ["fixed", "reference"])
def test_the_masks_of_many_sure_cells_are_drawn_a_few_at_a_time(
    compat: Compat, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = InferenceConfig(max_candidates=9)
    expected = detect(output_of(), config, compat)[0]
    monkeypatch.setattr(solov2_inference, "MASKS_AT_ONCE", 4)
    found = detect(output_of(), config, compat)[0]
    assert torch.equal(found.labels, expected.labels)
    torch.testing.assert_close(found.scores, expected.scores)
    torch.testing.assert_close(found.masks, expected.masks)


@pytest.mark.parametrize("class_bias", [-50.0, 0.0])
def test_nothing_found_is_empty(class_bias: float) -> None:
    output = output_of(class_bias)
    if class_bias == 0:  # the classes are sure, but no mask has a pixel
        output.mask_features.fill_(1)
        for kernels in output.kernels:
            kernels.fill_(-1)
    for found in detect(output, InferenceConfig()):
        assert found.masks.shape == (0, 16, 20)
        assert len(found.labels) == len(found.scores) == 0
        assert matrix_nms(found.masks > 0.5, found.labels, 2.0).shape == (0,)


def test_masks_are_drawn_by_one_convolution_for_each_kernel() -> None:
    output = output_of()
    kernels = output.kernels[0][0].flatten(1).T
    drawn = draw(kernels, output.mask_features[0])
    for kernel, mask in zip(kernels, drawn, strict=True):
        weight = kernel.view(1, 4, 1, 1)
        expected = torch.nn.functional.conv2d(output.mask_features[:1], weight)[0, 0].sigmoid()
        torch.testing.assert_close(mask, expected)
