"""Masks of points against one convolution for each point and level."""

import pytest
import torch
from torch import Tensor

from ray_wssis.methods.point_wssis.point_prompt import (
    NO_LEVEL,
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
    masks, levels, class_scores, masknesses = [], [], [], []
    for (x, y), label in zip(xy.tolist(), labels.tolist(), strict=True):
        best = (-1.0, torch.zeros(height // 4, width // 4), NO_LEVEL, 0.0, 0.0)
        for level, side in enumerate(kernels.shape[-1] for kernels in output.kernels):
            row = min(int(y / height * side), side - 1)
            column = min(int(x / width * side), side - 1)
            kernel = output.kernels[level][index, :, row, column].view(1, -1, 1, 1)
            features = output.mask_features[index : index + 1]
            mask = torch.nn.functional.conv2d(features, kernel)[0, 0].sigmoid()
            inside = mask > 0.5
            sure = float(mask[inside].mean()) if inside.any() else 0.0
            probability = float(output.class_logits[level][index, label, row, column].sigmoid())
            if sure * probability > best[0]:
                best = (sure * probability, mask, level, probability, sure)
        masks.append(best[1])
        levels.append(best[2])
        class_scores.append(best[3])
        masknesses.append(best[4])
    return PointMasks(
        masks=torch.stack(masks),
        level=torch.tensor(levels),
        class_score=torch.tensor(class_scores),
        maskness=torch.tensor(masknesses),
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
    one = torch.zeros(30, 5, dtype=torch.bool)
    one[:, 2] = True
    assert set(decode_points(output_of(), 0, xy, labels, one).level.tolist()) <= {2, NO_LEVEL}


def test_the_levels_of_a_size_are_those_that_train_for_it() -> None:
    sizes = torch.tensor([[10.0, 10.0], [20.0, 20.0], [80.0, 20.0], [0.5, 0.5], [900.0, 900.0]])
    assert levels_of_size(sizes, RANGES).tolist() == [
        [True, False, False, False, False],
        [False, True, False, False, False],  # the upper end is excluded
        [False, False, True, False, False],  # the root of the area decides
        [True] * 5,  # outside every range: any level may answer
        [True] * 5,
    ]
    both = levels_of_size(torch.tensor([[50.0, 50.0]]), ((1, 96), (48, 192)))
    assert both.tolist() == [[True, True]]


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
