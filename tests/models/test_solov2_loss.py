import math

import pytest
import torch
from torch import Tensor

from ray_wssis.models.solov2 import SOLOv2, SOLOv2Output
from ray_wssis.models.solov2_loss import dice_loss, ignored_cells, solov2_losses
from ray_wssis.models.solov2_targets import Instances, Targets, assign_cells
from tests.support.tiny import TINY

GRIDS = (3, 2)
NUM_CELLS = 9 + 4


def output_of(num_images: int = 2, num_classes: int = 3) -> SOLOv2Output:
    generator = torch.Generator().manual_seed(0)
    return SOLOv2Output(
        class_logits=[
            torch.randn(num_images, num_classes, s, s, generator=generator) for s in GRIDS
        ],
        kernels=[torch.randn(num_images, 4, s, s, generator=generator) for s in GRIDS],
        mask_features=torch.randn(num_images, 4, 6, 5, generator=generator),
    )


INSTANCES = Instances(
    image=torch.tensor([0, 0, 1]),
    labels=torch.tensor([2, 0, 1]),
    centres=torch.zeros(3, 2),
    box_sizes=torch.zeros(3, 2),
    masks=torch.randint(
        0, 2, (3, 6, 5), dtype=torch.uint8, generator=torch.Generator().manual_seed(1)
    ),
)
TARGETS = Targets(
    image=torch.tensor([0, 0, 1, 0]),
    cell=torch.tensor([4, 12, 9, 0]),
    instance=torch.tensor([1, 0, 2, 1]),
)


def one_pixel_and_one_corner() -> Tensor:
    """(B, h, w): a pixel in the middle of the first image, a corner of the second."""
    ignored = torch.zeros(2, 6, 5, dtype=torch.bool)
    ignored[0, 3, 2] = ignored[1, 4:, 3:] = True
    return ignored


IGNORED = one_pixel_and_one_corner()


def touches(ignored: Tensor, cell: int, sides: tuple[int, ...] = GRIDS) -> bool:
    """Tell if a cell, counted through all levels, has any area in an ignored pixel of (h, w)."""
    (h, w), ignored_pixels = ignored.shape, torch.nonzero(ignored).tolist()
    for side in sides:
        if cell < side * side:
            row, column = divmod(cell, side)
            return any(
                overlap(y, row, h, side) and overlap(x, column, w, side) for y, x in ignored_pixels
            )
        cell -= side * side
    raise AssertionError(cell)


def overlap(pixel: int, cell: int, extent: int, side: int) -> bool:
    """Tell if pixel and cell overlap along one axis of `extent` pixels and `side` cells."""
    return pixel * side < (cell + 1) * extent and cell * extent < (pixel + 1) * side


def requiring_gradients(output: SOLOv2Output) -> SOLOv2Output:
    for tensor in (*output.class_logits, *output.kernels, output.mask_features):
        tensor.requires_grad_()
    return output


def cell_of(maps: list[Tensor], image: int, cell: int) -> Tensor:
    """The channels of one cell, counted through all levels."""
    for level in maps:
        side = level.shape[-1]
        if cell < side * side:
            return level[image, :, cell // side, cell % side]
        cell -= side * side
    raise AssertionError(cell)


@pytest.mark.parametrize("ignored", [None, IGNORED])
def test_the_class_loss_is_the_focal_loss_of_every_cell_and_class(ignored: Tensor | None) -> None:
    output = output_of()
    truth = {(0, 4): 0, (0, 12): 2, (1, 9): 1, (0, 0): 0}  # (image, cell) -> class
    total, num_ignored = 0.0, 0
    for image in range(2):
        for cell in range(NUM_CELLS):
            if ignored is not None and (image, cell) not in truth and touches(ignored[image], cell):
                num_ignored += 1
                continue
            for label, logit in enumerate(cell_of(output.class_logits, image, cell).tolist()):
                p = 1 / (1 + math.exp(-logit))
                if truth.get((image, cell)) == label:
                    total -= 0.25 * (1 - p) ** 2 * math.log(p)
                else:
                    total -= 0.75 * p**2 * math.log(1 - p)
    loss = solov2_losses(output, INSTANCES, TARGETS, ignored)["class"]
    assert loss.item() == pytest.approx(total / (4 + 1), rel=1e-5)
    assert num_ignored == (0 if ignored is None else 1 + 3)


@pytest.mark.parametrize("ignored", [None, IGNORED])
def test_the_mask_loss_is_three_times_the_mean_dice_of_the_positive_cells(
    ignored: Tensor | None,
) -> None:
    output = output_of()
    losses = []
    for image, cell, n in zip(TARGETS.image, TARGETS.cell, TARGETS.instance, strict=True):
        kernel = cell_of(output.kernels, int(image), int(cell))
        p = torch.einsum("e,ehw->hw", kernel, output.mask_features[image]).sigmoid()
        t = INSTANCES.masks[n].float()
        for y, x in [] if ignored is None else torch.nonzero(ignored[image]).tolist():
            p[y, x] = p[y, x] if t[y, x] else 0
        losses.append(1 - 2 * (p * t).sum() / ((p**2).sum() + 0.001 + (t**2).sum() + 0.001))
    expected = 3 * float(sum(losses)) / len(losses)
    loss = solov2_losses(output, INSTANCES, TARGETS, ignored)["mask"]
    assert loss.item() == pytest.approx(expected, rel=1e-5)


def test_ignored_cells_and_pixels_have_no_gradient_and_all_others_have_one() -> None:
    output = requiring_gradients(output_of())
    losses = solov2_losses(output, INSTANCES, TARGETS, IGNORED)
    torch.stack(list(losses.values())).sum().backward()
    positive = set(zip(TARGETS.image.tolist(), TARGETS.cell.tolist(), strict=True))
    gradients = [logits.grad for logits in output.class_logits if logits.grad is not None]
    for image in range(2):
        for cell in range(NUM_CELLS):
            counts = (image, cell) in positive or not touches(IGNORED[image], cell)
            assert (cell_of(gradients, image, cell) != 0).tolist() == [counts] * 3
    assert output.mask_features.grad is not None
    owned = torch.stack([INSTANCES.masks[:2].any(dim=0), INSTANCES.masks[2] > 0])  # (B, h, w)
    learnt = (output.mask_features.grad != 0).all(dim=1)
    assert torch.equal(learnt, owned | ~IGNORED)
    assert torch.equal(learnt, (output.mask_features.grad != 0).any(dim=1))
    assert not learnt.all() and (owned & IGNORED).any()


def test_a_region_over_everything_leaves_positive_cells_and_true_masks() -> None:
    output = requiring_gradients(output_of())
    everything = torch.ones(2, 6, 5, dtype=torch.bool)
    losses = solov2_losses(output, INSTANCES, TARGETS, everything)
    torch.stack(list(losses.values())).sum().backward()
    learnt = torch.cat(
        [x.grad.flatten(2) for x in output.class_logits if x.grad is not None], dim=2
    )
    expected = torch.zeros(2, NUM_CELLS, dtype=torch.bool)
    expected[TARGETS.image, TARGETS.cell] = True
    assert torch.equal((learnt != 0).all(dim=1), expected)
    assert torch.equal((learnt != 0).any(dim=1), expected)
    assert losses["mask"] > 0


def test_an_empty_region_changes_nothing() -> None:
    plain, same = requiring_gradients(output_of()), requiring_gradients(output_of())
    without = solov2_losses(plain, INSTANCES, TARGETS)
    empty = solov2_losses(same, INSTANCES, TARGETS, torch.zeros(2, 6, 5, dtype=torch.bool))
    assert without == empty
    for losses in (without, empty):
        torch.stack(list(losses.values())).sum().backward()
    for tensor, other in zip(
        (*plain.class_logits, *plain.kernels, plain.mask_features),
        (*same.class_logits, *same.kernels, same.mask_features),
        strict=True,
    ):
        assert tensor.grad is not None and other.grad is not None
        assert torch.equal(tensor.grad, other.grad)


@pytest.mark.parametrize("canvas", [(24, 40), (7, 5), (3, 3)])
def test_one_pixel_ignores_the_cells_it_touches_be_they_larger_or_smaller(
    canvas: tuple[int, int],
) -> None:
    no_cells = torch.zeros(0, dtype=torch.int64)
    nothing = Targets(image=no_cells, cell=no_cells, instance=no_cells)
    sides = (5, 2)
    for pixel in range(canvas[0] * canvas[1]):
        ignored = (torch.arange(canvas[0] * canvas[1]) == pixel).view(1, *canvas)
        found = ignored_cells(ignored, nothing, sides)
        assert found.tolist() == [[touches(ignored[0], cell, sides) for cell in range(25 + 4)]]


def test_dice_is_zero_for_the_truth_and_one_for_its_opposite() -> None:
    truth = torch.tensor([[1.0, 0, 1, 1]] * 2)
    found = torch.stack([truth[0], 1 - truth[0]])
    torch.testing.assert_close(dice_loss(found, truth), torch.tensor([0.0, 1]), atol=1e-3, rtol=0)


@pytest.mark.parametrize("num_instances", [0, 3])
@pytest.mark.parametrize("ignored", [None, torch.ones(2, 16, 16, dtype=torch.bool)])
def test_every_parameter_gets_a_gradient_also_without_instances(
    num_instances: int, ignored: Tensor | None
) -> None:
    torch.manual_seed(0)
    network = SOLOv2(TINY, num_classes=3)
    images = torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8)
    output = network(images, torch.tensor([[64, 64]] * 2))
    instances = Instances(
        image=torch.tensor([0, 0, 1])[:num_instances],
        labels=torch.tensor([2, 0, 1])[:num_instances],
        centres=torch.rand(num_instances, 2) * 64,
        box_sizes=torch.rand(num_instances, 2) * 64,
        masks=torch.ones(num_instances, 16, 16, dtype=torch.uint8),
    )
    targets = assign_cells(instances, output.canvas, TINY.grids, ((1, 2048),) * 5)
    losses = solov2_losses(output, instances, targets, ignored)
    assert num_instances or losses["mask"].item() == 0
    torch.stack(list(losses.values())).sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), name
