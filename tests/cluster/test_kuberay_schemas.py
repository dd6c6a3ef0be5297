"""A CRD, and the extract of it."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cluster.kuberay_schemas import PLURALS, Definitions, lines, schemas

PORT = {"description": "a port", "type": "integer", "minimum": 1, "format": "int32"}
LONG = {"type": "string", "enum": ["x" * 60, "y" * 60]}


@pytest.fixture
def definitions() -> Definitions:
    return Definitions()


def test_words_go_and_limits_stay(definitions: Definitions) -> None:
    assert definitions.add("port", PORT) == {"type": "integer", "minimum": 1}


def test_a_field_that_is_not_listed_is_wrong(definitions: Definitions) -> None:
    schema = {"type": "object", "properties": {"port": PORT}, "required": ["port"]}
    assert definitions.plain("container", schema) == {
        "type": "object",
        "properties": {"port": {"type": "integer", "minimum": 1}},
        "required": ["port"],
        "additionalProperties": False,
    }


def test_a_number_may_be_written_as_a_string_where_kubernetes_says_so(
    definitions: Definitions,
) -> None:
    cpu = {"anyOf": [{"type": "integer"}, {"type": "string"}], "x-kubernetes-int-or-string": True}
    assert definitions.add("cpu", cpu) == {"type": ["integer", "string"]}


def test_what_is_long_is_written_once(definitions: Definitions) -> None:
    pods = {"type": "array", "items": LONG}
    both = {"type": "object", "properties": {"policy": LONG, "pods": pods}}
    definitions.add("Kind", both)
    assert definitions.named["policy"] == LONG
    assert definitions.named["Kind"]["properties"] == {
        "policy": {"$ref": "#/$defs/policy"},
        "pods": {"type": "array", "items": {"$ref": "#/$defs/policy"}},
    }


def test_others_of_the_same_name_are_numbered(definitions: Definitions) -> None:
    other = {"type": "string", "enum": ["x" * 60, "z" * 60]}
    assert definitions.add("policy", LONG) == {"$ref": "#/$defs/policy"}
    assert definitions.add("policy", other) == {"$ref": "#/$defs/policy.1"}


def crd(of: str) -> dict[str, Any]:
    spec = {"type": "object", "properties": {of: LONG}}
    schema = {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec}}}
    return {"spec": {"versions": [{"name": "v1alpha1"}, {"name": "v1", "schema": schema}]}}


def test_a_folder_of_crds_becomes_a_definition_for_each_kind(tmp_path: Path) -> None:
    for plural in PLURALS.values():
        (tmp_path / f"ray.io_{plural}.yaml").write_text(yaml.safe_dump(crd(plural)))
    found = json.loads(lines(schemas(tmp_path), "1.6.2"))
    assert found["$comment"] == "Fields of the CRDs of KubeRay 1.6.2, by kuberay_schemas.py"
    assert {"RayCluster", "RayJob", "RayService"} <= found["$defs"].keys()
