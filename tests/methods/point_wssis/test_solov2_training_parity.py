"""Published weights and targets give the recorded losses (skipped without the recordings).

Two rules of ours are left out of the comparison: a contested cell belongs to its smallest instance,
and the cell of a centre is the floor of its place (published: one cell lower on some boundaries).
"""

import functools
import json

import numpy as np
import pytest
import torch
from torch import Tensor

from ray_wssis.models.published.names import renamed
from ray_wssis.models.published.segmenter import SEGMENTER_NAMES
from ray_wssis.models.solov2_loss import solov2_losses
from ray_wssis.models.solov2_targets import Instances, Targets, assign_cells
from tests.support.recorded_pairs import recorded_pairs
from tests.support.recordings import GRIDS, RANGES, Recording, needs_recordings, relative_error


@needs_recordings
@pytest.mark.parametrize("kind", GRIDS)
def test_positive_cells_are_the_published_ones(recording: Recording, kind: str) -> None:
    """All but those of an instance whose centre or shrunk box ends on a cell boundary."""
    images, _, instances = recording.batch(kind)
    canvas = (images.shape[-2], images.shape[-1])
    recorded = np.load(recording.folder / f"losses_{kind}.npz")
    pairs = recorded_pairs(recorded, instances, canvas, kind)
    assert len(pairs) == len(set(pairs))
    clear = clear_of_boundaries(instances, canvas, kind)  # (N, L)
    assert clear.float().mean() > 0.7
    ours = rows_of(assign_cells(instances, canvas, GRIDS[kind], RANGES[kind]))
    holder = {(image, cell): instance for image, cell, instance in ours}
    assert len(holder) == len(ours)
    ends = np.cumsum([side * side for side in GRIDS[kind]])
    area = instances.box_sizes.prod(dim=1)
    for image, cell, instance in ours:
        if clear[instance, np.searchsorted(ends, cell, side="right")]:
            assert (image, cell, instance) in pairs
    for image, cell, instance in pairs:
        if clear[instance, np.searchsorted(ends, cell, side="right")]:
            # of a contested cell ours keeps the smallest instance, the later one of equals
            held_by = holder[image, cell]
            assert (area[held_by], -held_by) <= (area[instance], -instance)


def clear_of_boundaries(instances: Instances, canvas: tuple[int, int], kind: str) -> Tensor:
    """(N, L) bool: neither the centre nor an end of the shrunk box lies on a cell boundary."""
    half = 0.1 * instances.box_sizes
    ends = torch.stack([instances.centres + shift * half for shift in (-1, 0, 1)])  # (3, N, 2)
    place = ends / torch.tensor(canvas).flip(0)
    cells = place[:, :, None] * torch.tensor(GRIDS[kind])[:, None]  # (3, N, L, 2)
    return ((cells - cells.round()).abs() > 1e-3).all(dim=3).all(dim=0)


def rows_of(targets: Targets) -> list[tuple[int, int, int]]:
    fields = (targets.image, targets.cell, targets.instance)
    return list(zip(*(field.tolist() for field in fields), strict=True))


@needs_recordings
@pytest.mark.parametrize("kind", GRIDS)
def test_losses_and_gradients_are_the_published_ones(recording: Recording, kind: str) -> None:
    """On the published targets: all pairs for the masks, the last instance of a cell for the
    class."""
    images, sizes, instances = recording.batch(kind)
    recorded = np.load(recording.folder / f"losses_{kind}.npz")
    expected = json.loads((recording.folder / "losses.json").read_text())[kind]
    pairs = recorded_pairs(recorded, instances, (images.shape[-2], images.shape[-1]), kind)
    recording.network.instance_head.grids = GRIDS[kind]
    output = recording.network(images, sizes)
    mask = solov2_losses(output, instances, targets_of(pairs))["mask"]
    last = list({(image, cell): (image, cell, n) for image, cell, n in sorted(pairs)}.values())
    focal = solov2_losses(output, instances, targets_of(last))["class"]
    assert abs(mask.item() / expected["mask_loss_times_weight"] - 1) < 1e-4
    assert abs(focal.item() / expected["class_loss"] - 1) < 1e-4

    ours = functools.partial(renamed, names=SEGMENTER_NAMES, network="SOLOv2")
    recording.network.zero_grad()
    (mask + focal).backward()
    gradients = {name: p.grad for name, p in recording.network.named_parameters()}
    norms = {ours(published): norm for published, norm in expected["grad_l2"].items()}
    assert {name for name, grad in gradients.items() if grad is not None} == set(norms)
    for name, norm in norms.items():
        gradient = gradients[name]
        assert gradient is not None
        assert abs(float(gradient.norm()) - norm) < 1e-3 * norm + 1e-6, name
    for published in (key.removeprefix("grad/") for key in recorded if key.startswith("grad/")):
        gradient = gradients[ours(published)]
        assert gradient is not None
        assert relative_error(gradient, recorded[f"grad/{published}"]) < 1e-3


def targets_of(rows: list[tuple[int, int, int]]) -> Targets:
    image, cell, instance = torch.tensor(rows).T
    return Targets(image=image, cell=cell, instance=instance)


def test_the_instance_of_a_recorded_cell_is_found_by_its_position() -> None:
    """Three tiny instances have empty masks; two of them claim one cell, and the larger two."""
    instances = Instances(
        image=torch.tensor([0, 0, 0, 0, 1]),
        labels=torch.zeros(5, dtype=torch.int64),
        centres=torch.tensor([[50.0, 41], [10, 41], [11, 42], [160, 176], [50, 41]]),
        box_sizes=torch.tensor([[2.0, 2], [2, 2], [2, 2], [60, 20], [2, 2]]),
        masks=torch.zeros(5, 88, 80, dtype=torch.uint8),
    )
    instances.masks[3, 44, 40] = 1
    image_0 = [9 * 80 + 12, 9 * 80 + 2, 9 * 80 + 2, 40 * 80 + 39, 40 * 80 + 40]  # 80 x 80 cells
    recorded = {
        f"cell_of_pair_{image}_{level}": np.zeros(0, np.int64)
        for image in (0, 1)
        for level in range(5)
    }
    recorded |= {
        f"mask_of_pair_{image}_{level}": np.zeros((0, 88, 80), np.uint8)
        for image in (0, 1)
        for level in range(5)
    }
    recorded |= {
        "cell_of_pair_0_0": np.array(image_0),
        "mask_of_pair_0_0": instances.masks[[0, 1, 2, 3, 3]].numpy(),
        "cell_of_pair_1_0": np.array([9 * 80 + 12]),
        "mask_of_pair_1_0": np.zeros((1, 88, 80), np.uint8),
    }
    assert recorded_pairs(recorded, instances, (352, 320), "teacher") == [
        (0, image_0[0], 0),
        (0, image_0[1], 1),
        (0, image_0[2], 2),
        (0, image_0[3], 3),
        (0, image_0[4], 3),
        (1, 9 * 80 + 12, 4),
    ]
