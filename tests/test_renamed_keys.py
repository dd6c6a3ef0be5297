"""Configuration files of version 0.1 still work."""

import logging

import pytest

from ray_wssis.recipes.catalogue import load_recipe
from ray_wssis.renamed_keys import RENAMED, with_new_names


def test_values_move_to_their_new_place_and_empty_mappings_go() -> None:
    old = {"quality": {"threshold": 0.4, "below": "drop"}, "data": {"corrections": ["a.json"]}}
    assert with_new_names(old) == {
        "audit": {"threshold": 0.4},
        "merge": {"below": "drop", "corrections": ["a.json"]},
    }


def test_a_value_under_its_new_name_wins() -> None:
    values = {"quality": {"review": 3}, "audit": {"review": 7}}
    assert with_new_names(values) == {"audit": {"review": 7}}


def test_values_without_old_names_stay_the_same_object() -> None:
    values = {"audit": {"review": 7}}
    assert with_new_names(values) is values


def test_unknown_keys_beside_old_ones_stay_and_are_reported() -> None:
    assert with_new_names({"quality": {"review": 3, "revue": 4}}) == {
        "quality": {"revue": 4},
        "audit": {"review": 3},
    }


def test_an_old_configuration_is_read_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, logger="ray_wssis")
    config = load_recipe(
        "shapes", ["quality.review=3", "student.training.max_validation_pictures=9"]
    )
    assert config.model_dump()["audit"]["review"] == 3
    assert config.model_dump()["student"]["training"]["max_validation_images"] == 9
    assert "quality.review is now audit.review; the old name still works" in caplog.text


def test_no_new_name_is_an_old_one() -> None:
    assert not set(RENAMED) & set(RENAMED.values())
