from dataclasses import replace

import pytest

from ray_wssis.recipes.plan.decision import values_of
from ray_wssis.recipes.plan.networks import (
    choose_backbone,
    choose_widths,
    inference,
    refiner_model,
)
from ray_wssis.recipes.plan.sizes import NetworkSize
from tests.support.fingerprints import FOUND, GPU, TWO_CPUS


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
