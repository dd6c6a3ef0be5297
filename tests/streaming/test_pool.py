"""How many actors there may be, and what each gets of the cluster."""

import pytest

from ray_wssis.streaming.config import LabellingWorkers
from ray_wssis.streaming.pool import TASK_CPUS, Pool, task_size


def pool(cpus: float, gpus: float = 0, nodes: int = 1, **workers: float) -> Pool:
    asked = LabellingWorkers.model_validate(workers)
    return Pool.of(asked, {"CPU": cpus, "GPU": gpus}, nodes)


def test_one_actor_a_gpu() -> None:
    found = pool(64, gpus=8)
    assert (found.most, found.gpus_each, found.share_cpu) == (8, 1, None)


def test_two_actors_share_a_gpu() -> None:
    assert pool(64, gpus=8, gpus_each=0.5).most == 16
    assert pool(64, gpus=8, gpus_each=0.5, max_number=3).most == 3


def test_without_gpus_there_are_as_many_as_asked_for() -> None:
    assert pool(16).most == 1
    assert pool(16, number=3).most == 3
    assert pool(16, number=3, max_number=6).most == 6
    assert pool(16, number=3, gpus=2).gpus_each == 0  # too few for all of them


@pytest.mark.parametrize("cpus", [1, 2, 3, 4, 64])
@pytest.mark.parametrize("number", [1, 2, 5, 32])
def test_there_is_room_to_decode_beside_the_actors(cpus: int, number: int) -> None:
    found = pool(cpus, number=number)
    assert found.most * found.cpus_each <= cpus - TASK_CPUS + 0.01
    assert found.others >= 1


def test_a_place_is_on_one_node() -> None:
    two = [{"CPU": 4.0, "GPU": 0.5}, {"CPU": 0.5, "GPU": 1.0}]
    found = pool(4, gpus=2)
    assert found.size == "1 GPU and 1 CPU"
    assert not found.fits(two) and found.fits([*two, {"CPU": 1.0, "GPU": 1.0}])
    assert pool(4).size == "1 CPU" and pool(4).fits(two) and not pool(4).fits([])


def test_actors_share_the_cores_of_their_node() -> None:
    assert pool(64, number=8).share_cpu == 8
    assert pool(64, number=8, nodes=4).share_cpu == 2


def test_tasks_are_as_large_as_leaves_each_actor_something_to_do() -> None:
    workers = LabellingWorkers(number=2, shard_size=50)
    assert task_size(1_000_000, workers) == 50
    assert task_size(80, workers) == 10
    assert task_size(3, workers) == 1
    assert task_size(10**9, LabellingWorkers(shard_size=10**6)) == 128
