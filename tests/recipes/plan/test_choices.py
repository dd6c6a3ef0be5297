"""Sizes, levels, networks and schedules for data sets that are known by their numbers."""

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from ray_wssis.instance.fingerprint.fingerprint import Fingerprint
from ray_wssis.instance.fingerprint.measured import measure
from ray_wssis.recipes.plan.decision import Decision, values_of
from ray_wssis.recipes.plan.levels import choose_bounds, choose_levels, overlapping, touching
from ray_wssis.recipes.plan.machine import Machine
from ray_wssis.recipes.plan.networks import (
    choose_backbone,
    choose_widths,
    inference,
    refiner_model,
)
from ray_wssis.recipes.plan.sizes import NetworkSize, augment, choose_size
from tests.support.squares import image_of, records_of

TWO_CPUS = Machine(cpus=2)
GPU = Machine(cpus=8, gpu_gib=40)
FOUND = Fingerprint(
    num_strong=40,
    num_weak=200,
    num_validation=50,
    num_masks=400,
    num_points=2000,
    masks_per_class={"cat": 100, "dog": 300},
    shorter=256,
    longest=512,
    aspect=1.0,
    widest=1.25,
    small=12,
    medium=30,
    large=60,
    crowd=10,
    most=30,
)


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


def test_bounds_part_sizes_and_never_coincide() -> None:
    assert choose_bounds(np.exp(np.linspace(np.log(10), np.log(100), 5001))) == [20, 32, 50, 76]
    bounds = choose_bounds(np.full(5000, 20.0))
    assert all(high >= 1.15 * low for low, high in pairwise(bounds))


def test_teachers_ranges_touch_and_students_overlap() -> None:
    assert touching([20, 32, 48, 72]) == [[1, 20], [20, 32], [32, 48], [48, 72], [72, 2048]]
    assert overlapping([20, 32, 48, 72]) == [[1, 25], [17, 40], [27, 60], [41, 90], [61, 2048]]


def test_neighbours_get_more_cells() -> None:
    apart = records_of(*(image_of(i, [(10, 10, 20), (200, 200, 20)], 256, 256) for i in range(20)))
    near = records_of(*(image_of(i, [(10, 10, 20), (16, 16, 20)], 256, 256) for i in range(20)))
    size = NetworkSize(shorter=256, longest=256, why="")
    grids = [choose_levels(measure(x, records_of()), size).grids.value for x in (apart, near)]
    assert all(few <= many for few, many in zip(*grids, strict=True))
    assert grids[0] != grids[1]
    assert all(list(grid) == sorted(grid, reverse=True) for grid in grids)


def test_a_backbone_is_chosen_that_is_at_hand() -> None:
    assert values_of(choose_backbone(TWO_CPUS)) == {
        "name": "tf_efficientnet_lite0",
        "weights": "offline",
    }
    assert values_of(choose_backbone(replace(TWO_CPUS, has_offline_weights=False))) == {
        "name": "tf_efficientnet_lite0",
        "weights": "hub",
    }
    assert values_of(choose_backbone(GPU))["name"] == "resnet50.tv_in1k"


def test_the_refiner_sees_a_typical_object_twice_over() -> None:
    size = NetworkSize(shorter=256, longest=320, why="")
    widths = choose_widths(FOUND, size, TWO_CPUS)
    model = values_of(refiner_model(FOUND, choose_backbone(TWO_CPUS), widths, TWO_CPUS))
    assert model["crop_size"] == 96  # sqrt(30 x 60) = 42


@pytest.mark.parametrize("most, instances, candidates", [(30, 100, 500), (375, 450, 675)])
def test_answers_have_room_for_the_fullest_image(
    most: int, instances: int, candidates: int
) -> None:
    assert values_of(inference(replace(FOUND, most=most))) == {
        "max_candidates": candidates,
        "max_instances": instances,
    }
