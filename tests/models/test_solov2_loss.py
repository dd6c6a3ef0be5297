import math

import pytest
import torch
from torch import Tensor

from ray_wssis.models.solov2 import SOLOv2, SOLOv2Output
from ray_wssis.models.solov2_loss import dice_loss, solov2_losses
from ray_wssis.models.solov2_targets import Instances, Targets, assign_cells
from tests.tiny import TINY

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


def cell_of(maps: list[Tensor], image: int, cell: int) -> Tensor:
    """The channels of one cell, counted through all levels."""
    for level in maps:
        side = level.shape[-1]
        if cell < side * side:
            return level[image, :, cell // side, cell % side]
        cell -= side * side
    raise AssertionError(cell)


def test_the_class_loss_is_the_focal_loss_of_every_cell_and_class() -> None:
    output = output_of()
    truth = {(0, 4): 0, (0, 12): 2, (1, 9): 1, (0, 0): 0}  # (image, cell) -> class
    total = 0.0
    for image in range(2):
        for cell in range(NUM_CELLS):
            for label, logit in enumerate(cell_of(output.class_logits, image, cell).tolist()):
                p = 1 / (1 + math.exp(-logit))
                if truth.get((image, cell)) == label:
                    total -= 0.25 * (1 - p) ** 2 * math.log(p)
                else:
                    total -= 0.75 * p**2 * math.log(1 - p)
    loss = solov2_losses(output, INSTANCES, TARGETS)["class"]
    assert loss.item() == pytest.approx(total / (4 + 1), rel=1e-5)


def test_the_mask_loss_is_three_times_the_mean_dice_of_the_positive_cells() -> None:
    output = output_of()
    losses = []
    for image, cell, n in zip(TARGETS.image, TARGETS.cell, TARGETS.instance, strict=True):
        kernel = cell_of(output.kernels, int(image), int(cell))
        p = torch.einsum("e,ehw->hw", kernel, output.mask_features[image]).sigmoid()
        t = INSTANCES.masks[n].float()
        losses.append(1 - 2 * (p * t).sum() / ((p**2).sum() + 0.001 + (t**2).sum() + 0.001))
    expected = 3 * float(sum(losses)) / len(losses)
    loss = solov2_losses(output, INSTANCES, TARGETS)["mask"]
    assert loss.item() == pytest.approx(expected, rel=1e-5)


def test_dice_is_zero_for_the_truth_and_one_for_its_opposite() -> None:
    truth = torch.tensor([[1.0, 0, 1, 1]] * 2)
    found = torch.stack([truth[0], 1 - truth[0]])
    torch.testing.assert_close(dice_loss(found, truth), torch.tensor([0.0, 1]), atol=1e-3, rtol=0)


@pytest.mark.parametrize("num_instances", [0, 3])
def test_every_parameter_gets_a_gradient_also_without_instances(num_instances: int) -> None:
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
    losses = solov2_losses(output, instances, targets)
    assert num_instances or losses["mask"].item() == 0
    torch.stack(list(losses.values())).sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), name
