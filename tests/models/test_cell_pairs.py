import pytest
import torch

from ray_wssis.models.cell_pairs import differences, ends, offsets, path


@pytest.mark.parametrize(("radius", "size"), [(2, (3, 4)), (3, (5, 2)), (5, (7, 9)), (5, (1, 3))])
def test_every_near_pair_is_there_once(radius: int, size: tuple[int, int]) -> None:
    cells = [(y, x) for y in range(size[0]) for x in range(size[1])]
    near = {
        frozenset((a, b))
        for a in cells
        for b in cells
        if a != b and (a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2 < radius**2
    }
    first, second = ends(torch.arange(len(cells)).view(size), radius)
    pairs = [frozenset((cells[i], cells[j])) for i, j in zip(first, second, strict=True)]
    assert set(pairs) == near
    assert len(pairs) == len(near)


def test_numbers_of_pairs_are_the_published_ones() -> None:
    assert len(offsets(5)) == 34
    assert len(offsets(10)) == 152


def test_paths_are_straight_and_connected() -> None:
    assert path((0, 3)) == [(0, 0), (0, 1), (0, 2), (0, 3)]
    assert path((1, -1)) == [(0, -1), (0, 0), (1, -1), (1, 0)]  # no way through a diagonal wall
    for offset in offsets(10):
        on_path = path(offset)
        assert {(0, 0), offset} <= set(on_path)
        seen = {(0, 0)}
        for _ in on_path:
            seen |= {
                (y, x) for y, x in on_path if any(max(abs(y - a), abs(x - b)) <= 1 for a, b in seen)
            }
        assert seen == set(on_path)


def test_differences_lead_from_first_to_second() -> None:
    away = differences(3, 4, 5, torch.device("cpu"))
    first, second = ends(torch.arange(20).view(4, 5), 3)
    assert torch.equal(away[0], second // 5 - first // 5)
    assert torch.equal(away[1], second % 5 - first % 5)
