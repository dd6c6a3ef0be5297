"""What of KubeRay's CRDs the manifests are validated against: names, types and limits, no prose.

    python -m tests.cluster.kuberay_schemas CRDS RELEASE > tests/cluster/kuberay_schemas.json

CRDS is the folder helm-chart/kuberay-operator/crds of a KubeRay release (Apache-2.0).  Its files
have a megabyte each, as they say the same of a pod many times; here it is said once.
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
    """One JSON Schema, with a definition for each kind."""
    definitions = Definitions()
    for kind, plural in PLURALS.items():
        crd = yaml.safe_load((folder / f"ray.io_{plural}.yaml").read_text())
        (version,) = [it for it in crd["spec"]["versions"] if it["name"] == VERSION]
        definitions.add(kind, version["schema"]["openAPIV3Schema"])
    return {"$defs": definitions.named}


class Definitions:
    """Schemas by name; equal ones are one."""

    def __init__(self) -> None:
        self.named: dict[str, Schema] = {}
        self.names: dict[str, str] = {}  # of a schema's text

    def add(self, name: str, schema: Schema) -> Schema:
        """What to write where the schema stands: itself, or a reference."""
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
        """The same limits in JSON Schema, where a field that is not listed is wrong."""
        if schema.get("x-kubernetes-int-or-string"):
            return {"type": ["integer", "string"]}
        result = {key: schema[key] for key in LIMITS if key in schema}
        for key in ("items", "additionalProperties"):
            if key in schema:
                result[key] = self.add(name, schema[key])
        if "properties" in schema:
            fields = {field: self.add(field, each) for field, each in schema["properties"].items()}
            result |= {"properties": fields, "additionalProperties": False}
        return result


def lines(schema: Schema, release: str) -> str:
    """A line for each definition."""
    named = (f'"{name}": {json.dumps(each)}' for name, each in schema["$defs"].items())
    origin = json.dumps(f"Fields of the CRDs of KubeRay {release}, by kuberay_schemas.py")
    return f'{{"$comment": {origin}, "$defs": {{\n' + ",\n".join(named) + "\n}}"


if __name__ == "__main__":
    print(lines(schemas(Path(sys.argv[1])), sys.argv[2]))
