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


def test_the_file_is_what_serve_deploy_takes() -> None:
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


def test_a_key_that_is_misspelled_is_an_error() -> None:
    with pytest.raises(ConfigError, match="did you mean max_megabytes"):
        check_config(ServeConfig, {"model": "x", "max_megabyte": 3}, "args")


def test_there_are_no_fewer_replicas_at_most_than_at_least() -> None:
    with pytest.raises(ValueError, match="max_number 1 is below number 2"):
        ReplicaConfig(number=2, max_number=1)
