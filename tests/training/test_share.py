"""How training workers share a cluster."""

import pytest

from ray_wssis.training.run import TrainingWorkers, cpu_share


@pytest.mark.parametrize(
    ("nodes", "number", "share"),
    [
        ([4], 1, 4),
        ([4], 2, 2),
        ([2, 2, 2], 2, 2),  # not the 3 of 6 / 2, which no node has
        ([0, 3, 3, 3], 4, 1),
        ([8, 8], 3, 4),
        ([1], 2, 1),
    ],
)
def test_all_workers_find_room_with_their_share_of_the_cpus(
    nodes: list[int], number: int, share: int
) -> None:
    assert cpu_share(nodes, number) == share


def test_the_most_workers_are_not_fewer_than_the_least() -> None:
    assert list(TrainingWorkers(number=2, max_number=4).possible()) == [2, 3, 4]
    assert list(TrainingWorkers(number=3).possible()) == [3]
    with pytest.raises(ValueError, match="max_number 1 is below number 2"):
        TrainingWorkers(number=2, max_number=1)
