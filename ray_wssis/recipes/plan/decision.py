"""Settings with the reason for each, as a tree that has the shape of a configuration."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ray_wssis.config import apply_override

GIVEN = "as given"


@dataclass(frozen=True)
class Decision:
    """One value of a configuration, plain as in YAML, and why it was chosen."""

    value: Any
    why: str


Tree = dict[str, "Decision | Tree"]


def values_of(tree: Tree) -> dict[str, Any]:
    """Return the configuration without the reasons."""
    return {
        key: entry.value if isinstance(entry, Decision) else values_of(entry)
        for key, entry in tree.items()
    }


def leaves(tree: Tree, prefix: str = "") -> Iterator[tuple[str, Decision]]:
    """Yield every decision with its dotted path."""
    for key, entry in tree.items():
        if isinstance(entry, Decision):
            yield f"{prefix}{key}", entry
        else:
            yield from leaves(entry, f"{prefix}{key}.")


def with_overrides(tree: Tree, overrides: Sequence[str]) -> Tree:
    """Set values as `--set` does.  Raises ConfigError for an override that cannot be read."""
    values = values_of(tree)
    for override in overrides:
        apply_override(values, override)
    return explained(values, tree)


def explained(values: dict[str, Any], tree: Tree) -> Tree:
    """Give values the reasons of `tree`, where they are still those of the tree."""
    result: Tree = {}
    for key, value in values.items():
        known = tree.get(key)
        if isinstance(known, Decision):
            result[key] = known if known.value == value else Decision(value, GIVEN)
        elif isinstance(value, dict):
            result[key] = explained(value, known or {})
        else:
            result[key] = Decision(value, GIVEN)
    return result


def again(tree: Tree, why: str) -> Tree:
    """Return the same values, all for one reason."""
    return {
        key: Decision(entry.value, why) if isinstance(entry, Decision) else again(entry, why)
        for key, entry in tree.items()
    }
