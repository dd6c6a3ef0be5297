"""Extract of KubeRay's CRDs to validate the manifests with: names, types and limits, no prose.

    python -m tests.cluster.kuberay_schemas CRDS RELEASE > tests/cluster/kuberay_schemas.json

CRDS is the folder helm-chart/kuberay-operator/crds of a KubeRay release (Apache-2.0).  Its files
are a megabyte each, because they repeat the fields of a pod many times; here they occur once.
"""

import json
import sys
from pathlib import Path
from typing import Any

import yaml

Schema = dict[str, Any]

PLURALS = {"RayCluster": "rayclusters", "RayJob": "rayjobs", "RayService": "rayservices"}
VERSION = "v1"
LIMITS = ["type", "enum", "pattern", "minimum", "maximum", "minLength", "maxLength", "required"]
SHORT = 120  # characters; what is longer becomes a definition


def schemas(folder: Path) -> Schema:
    """Return one JSON Schema, with a definition for each kind."""
    definitions = Definitions()
    for kind, plural in PLURALS.items():
        crd = yaml.safe_load((folder / f"ray.io_{plural}.yaml").read_text())
        (version,) = [found for found in crd["spec"]["versions"] if found["name"] == VERSION]
        definitions.add(kind, version["schema"]["openAPIV3Schema"])
    return {"$defs": definitions.named}


class Definitions:
    """Schemas by name; equal ones are stored once."""

    def __init__(self) -> None:
        self.named: dict[str, Schema] = {}
        self.names: dict[str, str] = {}  # of a schema's text

    def add(self, name: str, schema: Schema) -> Schema:
        """Return what to write in place of a schema: the schema itself, or a reference."""
        plain = self.plain(name, schema)
        text = json.dumps(plain, sort_keys=True)
        if len(text) < SHORT:
            return plain
        if text not in self.names:
            number = sum(taken.split(".")[0] == name for taken in self.named)
            self.names[text] = f"{name}.{number}" if number else name
            self.named[self.names[text]] = plain
        return {"$ref": f"#/$defs/{self.names[text]}"}

    def plain(self, name: str, schema: Schema) -> Schema:
        """Convert to JSON Schema with the same limits; unlisted fields are errors."""
        if schema.get("x-kubernetes-int-or-string"):
            return {"type": ["integer", "string"]}
        result = {key: schema[key] for key in LIMITS if key in schema}
        for key in ("items", "additionalProperties"):
            if key in schema:
                result[key] = self.add(name, schema[key])
        if "properties" in schema:
            fields = {
                field: self.add(field, inner) for field, inner in schema["properties"].items()
            }
            result |= {"properties": fields, "additionalProperties": False}
        return result


def lines(schema: Schema, release: str) -> str:
    """Format the schema, one line per definition."""
    named = (f'"{name}": {json.dumps(inner)}' for name, inner in schema["$defs"].items())
    origin = json.dumps(f"Fields of the CRDs of KubeRay {release}, by kuberay_schemas.py")
    return f'{{"$comment": {origin}, "$defs": {{\n' + ",\n".join(named) + "\n}}"


if __name__ == "__main__":
    print(lines(schemas(Path(sys.argv[1])), sys.argv[2]))
