import pytest
import torch

from ray_wssis.methods.irn.losses import displacement_loss
from ray_wssis.models.cell_pairs import ends
from ray_wssis.models.pair_loss import kinds_of

MAPS = torch.tensor([[[0, 0, 1, 255], [0, 1, 1, 2], [0, 0, 2, 2]]], dtype=torch.uint8)


def test_displacement_loss_is_the_formula() -> None:
    field = torch.randn(1, 2, 3, 4, generator=torch.Generator().manual_seed(1))
    flat, labels = field[0].flatten(1), MAPS[0].flatten().tolist()
    missed: list[float] = []
    uneven: list[float] = []
    for i, j in zip(*(end.tolist() for end in ends(torch.arange(12).view(3, 4), 3)), strict=True):
        turned = flat[:, i] - flat[:, j]
        away = torch.tensor([j // 4 - i // 4, j % 4 - i % 4])
        if labels[i] == labels[j] != 255:
            kind = uneven if labels[i] == 0 else missed
            kind.append((turned - (0 if labels[i] == 0 else away)).abs().mean().item())
    wanted = (sum(missed) / len(missed) + sum(uneven) / len(uneven)) / 2
    found = displacement_loss(field, kinds_of(MAPS, 0, 3), 3)
    assert found.item() == pytest.approx(wanted, rel=1e-5)


def test_a_field_to_a_centroid_is_right_wherever_that_lies() -> None:
    rows, columns = torch.meshgrid(torch.arange(6.0), torch.arange(6.0), indexing="ij")
    field = torch.stack([2.5 - rows, 7 - columns])[None]
    of_one_class = kinds_of(torch.ones(1, 6, 6, dtype=torch.uint8), 0, 5)
    assert displacement_loss(field, of_one_class, 5).item() == pytest.approx(0, abs=1e-6)
