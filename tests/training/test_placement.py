"""The shares of a cluster that training workers get."""

import pytest

from ray_wssis.training.config import TrainingWorkers
from ray_wssis.training.placement import Resources, check_loader_actors, cpu_share, loader_workers


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
    assert cpu_share([{"CPU": cpus} for cpus in nodes], number) == share


def test_the_most_workers_are_not_fewer_than_the_least() -> None:
    assert list(TrainingWorkers(number=2, max_number=4).possible()) == [2, 3, 4]
    assert list(TrainingWorkers(number=3).possible()) == [3]
    with pytest.raises(ValueError, match="max_number 1 is below number 2"):
        TrainingWorkers(number=2, max_number=1)


@pytest.mark.parametrize(
    ("nodes", "gpu", "asked", "number"),
    [
        ([{"CPU": 32, "GPU": 8}, {"CPU": 64}], True, None, 3),
        ([{"CPU": 192, "GPU": 8}], True, None, 8),  # no more than can be of use
        ([{"CPU": 12, "GPU": 1}, {"CPU": 4, "GPU": 1}], True, None, 3),  # of the poorest node
        ([{"CPU": 2, "GPU": 4}], True, None, 0),
        ([{"CPU": 64}], True, None, 8),  # nodes with GPUs are still to come
        ([{"CPU": 64}], False, None, 0),
        ([{"CPU": 64}], False, 2, 2),
    ],
)
def test_a_gpu_has_the_cpus_of_its_node_to_read_for_it(
    nodes: list[Resources], gpu: bool, asked: int | None, number: int
) -> None:
    assert loader_workers(nodes, TrainingWorkers(loader_workers=asked), gpu) == number


def test_loader_actors_that_would_find_no_cpu_are_refused(
    caplog: pytest.LogCaptureFixture,
) -> None:
    workers = TrainingWorkers(number=2, loader_actors=3)
    nodes: list[Resources] = [{"CPU": 4, "GPU": 2}, {"CPU": 4}]
    check_loader_actors(nodes, workers, cpus_each=1, may_grow=False)
    with pytest.raises(ValueError, match=r"wants 6 CPUs beside the 2 of each of 2 workers, .* 4 l"):
        check_loader_actors(nodes, workers, cpus_each=2, may_grow=False)
    assert not caplog.records
    check_loader_actors(nodes, workers, cpus_each=2, may_grow=True)
    assert "waits until nodes with CPUs have joined" in caplog.text
