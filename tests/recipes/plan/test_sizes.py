from dataclasses import replace
from typing import Any

import numpy as np

from ray_wssis.recipes.plan.decision import Decision, values_of
from ray_wssis.recipes.plan.machine import Machine
from ray_wssis.recipes.plan.sizes import NetworkSize, augment, choose_size
from tests.support.fingerprints import FOUND, GPU, TWO_CPUS


def size_of(machine: Machine = TWO_CPUS, minutes: float = 30, **changes: Any) -> tuple[int, int]:
    size = choose_size(replace(FOUND, **changes), machine, minutes)
    return size.shorter, size.longest


def test_images_are_seen_as_they_are_unless_there_is_a_reason() -> None:
    assert size_of() == (256, 320)


def test_small_objects_are_enlarged_but_not_without_end() -> None:
    assert size_of(shorter=128, small=9) == (160, 224)
    assert size_of(shorter=128, small=2) == (192, 256)


def test_large_objects_need_fewer_pixels() -> None:
    assert size_of(medium=220, small=100)[0] == 128


def test_time_and_processors_bound_the_size() -> None:
    assert size_of(shorter=1000, aspect=1.5)[0] == 256
    assert size_of(shorter=1000, aspect=1.5, minutes=120)[0] == 384
    assert size_of(Machine(cpus=8), shorter=1000, aspect=1.5)[0] == 384
    assert size_of(GPU, shorter=1000, aspect=1.5)[0] == 832


def test_training_shows_objects_as_large_as_use() -> None:
    size = NetworkSize(shorter=320, longest=448, why="")
    chosen = values_of(augment(FOUND, size, Decision(True, ""), Decision(True, "")))
    assert chosen["shorter"] == [224, 256, 288] and chosen["min_crop"] == 0.6
    assert np.mean(chosen["shorter"]) / np.mean([chosen["min_crop"], 1]) == 320
