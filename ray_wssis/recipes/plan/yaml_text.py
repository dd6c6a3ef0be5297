"""A configuration as YAML in which every value says why."""

from collections.abc import Iterator, Sequence
from typing import Any

import yaml

from ray_wssis.recipes.plan.decision import Decision, Tree

WIDEST = 100  # characters of a line; a longer comment stands above its value
INDENT = "  "


def to_text(tree: Tree, heading: Sequence[str]) -> str:
    """Write the heading as comments, then every value with its reason."""
    lines = [f"# {line}".rstrip() for line in heading]
    for key, entry in tree.items():
        lines += (
            ["", *entry_lines(key, entry, "")]
            if isinstance(entry, dict)
            else [*entry_lines(key, entry, "")]
        )
    return "\n".join(lines) + "\n"


def entry_lines(key: str, entry: "Decision | Tree", indent: str) -> Iterator[str]:
    if isinstance(entry, Decision):
        line = f"{indent}{key}: {flow(entry.value)}"
        if not entry.why:
            yield line
        elif len(line) + 4 + len(entry.why) <= WIDEST:
            yield f"{line}  # {entry.why}"
        else:
            yield f"{indent}# {entry.why}"
            yield line
        return
    yield f"{indent}{key}:"
    for inner, value in entry.items():
        yield from entry_lines(inner, value, indent + INDENT)


def flow(value: Any) -> str:
    """Write a value on one line."""
    text = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=10**6)
    return text.removesuffix("\n").removesuffix("\n...").strip()
