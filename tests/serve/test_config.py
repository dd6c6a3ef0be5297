import ast
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel
from ray.serve.schema import (
    HTTPOptionsSchema,
    ServeApplicationSchema,
    ServeDeploySchema,
)
from wssis_serve.config import ReplicaConfig, ServeConfig

from ray_wssis.config import ConfigError, check_config

FILE = Path(__file__).parents[2] / "serve/config.yaml"


def unknown(values: dict[str, Any], schema: type[BaseModel]) -> set[str]:
    """Ray Serve ignores keys that it does not know."""
    return set(values) - set(schema.model_fields)


def test_serve_deploy_takes_the_file() -> None:
    values = yaml.safe_load(FILE.read_text())
    (application,) = values["applications"]
    ServeDeploySchema.model_validate(values)
    assert not unknown(values, ServeDeploySchema)
    assert not unknown(values["http_options"], HTTPOptionsSchema)
    assert not unknown(application, ServeApplicationSchema)
    check_config(ServeConfig, application["args"], "args")


def test_the_application_that_it_names_exists() -> None:
    (application,) = yaml.safe_load(FILE.read_text())["applications"]
    module, _, name = application["import_path"].partition(":")
    tree = ast.parse((FILE.parent / f"{module.replace('.', '/')}.py").read_text())
    assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_a_misspelled_key_is_an_error() -> None:
    with pytest.raises(ConfigError, match="did you mean max_megabytes"):
        check_config(ServeConfig, {"model": "x", "max_megabyte": 3}, "args")


def test_the_maximum_of_replicas_is_at_least_their_number() -> None:
    with pytest.raises(ValueError, match="max_number 1 is below number 2"):
        ReplicaConfig(number=2, max_number=1)


def test_old_keys_are_accepted_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    config = check_config(ServeConfig, {"model": "x", "doors": 2, "door_cpus": 0.5}, "args")
    assert (config.ingresses, config.ingress_cpus) == (2, 0.5)
    assert sorted(record.getMessage() for record in caplog.records) == [
        "configuration: door_cpus is now ingress_cpus; the old name still works",
        "configuration: doors is now ingresses; the old name still works",
    ]
