"""The files of `ray up` fit the schema that comes with Ray."""

import json
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
import ray
import yaml

ROOT = Path(__file__).parents[2]
SCHEMA = Path(ray.__file__).parent / "autoscaler/ray-schema.json"
SHARED = ["file_mounts", "rsync_exclude", "head_start_ray_commands", "worker_start_ray_commands"]

each_file = pytest.mark.parametrize("name", ["ray-up", "ray-up-local"])


def read(name: str) -> Any:
    return yaml.safe_load((ROOT / f"cluster/{name}.yaml").read_text())


def check(values: dict[str, Any]) -> None:
    jsonschema.validate(values, json.loads(SCHEMA.read_text()))


@each_file
def test_it_is_what_ray_takes(name: str) -> None:
    check(read(name))


def test_a_key_that_is_misspelled_is_seen() -> None:
    with pytest.raises(jsonschema.ValidationError, match="max_worker"):
        check(read("ray-up") | {"max_worker": 3})


def test_the_limit_of_all_is_the_sum_of_the_types() -> None:
    values = read("ray-up")
    types = values["available_node_types"]
    workers = [types[name] for name in types if name != values["head_node_type"]]
    assert len(workers) == len(types) - 1
    assert values["max_workers"] == sum(worker["max_workers"] for worker in workers)
    assert all(worker["min_workers"] <= worker["max_workers"] for worker in workers)


def test_no_work_is_placed_on_the_head() -> None:
    values = read("ray-up")
    assert values["available_node_types"][values["head_node_type"]]["resources"] == {"CPU": 0}


@each_file
def test_what_is_copied_is_there(name: str) -> None:
    for place in read(name)["file_mounts"].values():
        assert place.startswith("~/") or (ROOT / place).exists()


def test_both_kinds_of_machines_are_set_up_alike() -> None:
    cloud, own = read("ray-up"), read("ray-up-local")
    assert {key: cloud[key] for key in SHARED} == {key: own[key] for key in SHARED}
    assert cloud["setup_commands"][-len(own["setup_commands"]) :] == own["setup_commands"]


@each_file
def test_ray_asks_for_a_token_on_every_node(name: str) -> None:
    values = read(name)
    for node in ("head", "worker"):
        assert "RAY_AUTH_MODE=token" in values[f"{node}_start_ray_commands"][-1]
    assert "~/.ray/auth_token" in values["file_mounts"]
