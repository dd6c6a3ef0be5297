from math import log

import pytest
import torch

from ray_wssis.models.cell_pairs import ends
from ray_wssis.models.pair_loss import affinity_loss, kinds_of, mean_where

UNKNOWN = 255
MAPS = torch.tensor(
    [
        [[0, 0, 1, UNKNOWN], [0, 1, 1, 2], [0, 0, 2, 2]],
        [[UNKNOWN] * 4] * 3,
    ],
    dtype=torch.uint8,
)


def pairs() -> list[tuple[int, int, int]]:
    """Image, first and second cell of each pair, place by place."""
    first, second = ends(torch.arange(12).view(3, 4), 3)
    return [
        (image, i, j)
        for image in (0, 1)
        for i, j in zip(first.tolist(), second.tolist(), strict=True)
    ]


def kind(image: int, i: int, j: int) -> str:
    a, b = MAPS[image].flatten()[[i, j]].tolist()
    if UNKNOWN in (a, b):
        return "unsure"
    if a != b:
        return "different"
    return "background" if a == 0 else "foreground"


def mean(values: list[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def test_affinity_loss_is_the_formula() -> None:
    number = len(pairs()) // 2
    affinity = torch.rand(2, number, generator=torch.Generator().manual_seed(0))
    terms: dict[str, list[float]] = {"background": [], "foreground": [], "different": []}
    for (image, i, j), value in zip(pairs(), affinity.flatten().tolist(), strict=True):
        if (name := kind(image, i, j)) != "unsure":
            terms[name].append(-log(1 - value if name == "different" else value))
    wanted = (
        mean(terms["background"]) / 4 + mean(terms["foreground"]) / 4 + mean(terms["different"]) / 2
    )
    assert all(terms.values())
    assert affinity_loss(affinity, kinds_of(MAPS, 0, 3)).item() == pytest.approx(wanted, rel=1e-5)


def test_sure_mistakes_and_unknown_maps_are_finite() -> None:
    number = len(pairs()) // 2
    kinds = kinds_of(MAPS, 0, 3)
    for value in (0.0, 1.0):
        affinity = torch.full((2, number), value, requires_grad=True)
        loss = affinity_loss(affinity, kinds)
        loss.backward()
        assert loss.isfinite()
        assert affinity.grad is not None
        assert affinity.grad.isfinite().all()
    nothing = kinds_of(torch.full((2, 3, 4), UNKNOWN, dtype=torch.uint8), 0, 3)
    assert affinity_loss(torch.rand(2, number), nothing) == 0
    assert mean_where(torch.rand(2, number), nothing.different) == 0
