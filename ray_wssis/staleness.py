"""The reasons why a folder cannot be used for what is to be made in it."""

import json
from collections.abc import Collection, Iterator
from typing import Any

FORMAT = 2  # of what stages leave in their folders; an older one is neither continued nor read
MOST_DIFFERENCES = 5  # named in an error
LONGEST_VALUE = 60  # characters of a value in an error


def objection(
    manifest: dict[str, Any] | None,
    started: dict[str, Any] | None,
    wanted: dict[str, Any],
    outputs: Collection[str],
) -> str:
    """Say why a folder with these notes is not what is `wanted`, to follow its name.

    `outputs` are the files in it.  Empty if it is what is wanted.
    """
    past = manifest or started
    if past is None:
        return ""
    if past.get("format") != FORMAT:
        return too_old(past)
    differences = list(_differences({key: past[key] for key in wanted}, wanted))
    if differences:
        named = "; ".join(differences[:MOST_DIFFERENCES])
        unnamed = len(differences) - MOST_DIFFERENCES
        return f"was made with {named}" + (f"; and {unnamed} more" if unnamed > 0 else "")
    gone = sorted(set(manifest["outputs"]) - set(outputs)) if manifest else []
    return f"is finished, but {name_some(gone)} is gone from it" if gone else ""


def too_old(past: dict[str, Any]) -> str:
    made_by = past.get("code_version", "0.1").partition("+")[0]
    return f"was made by an earlier ray-wssis ({made_by}), which laid out its files differently"


def _differences(old: dict[str, Any], new: dict[str, Any]) -> Iterator[str]:
    """Yield `a.b = 1, now 2` for every value that differs."""
    before, after = dict(_leaves(old)), dict(_leaves(new))
    for key in before | after:
        if key not in before or key not in after or before[key] != after[key]:
            name = key.removeprefix("made_from.")
            yield f"{name} = {_shown(before, key)}, now {_shown(after, key)}"


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every value that is not a mapping, with its dotted path."""
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _leaves(inner, f"{path}.{key}" if path else key)
    else:
        yield path, value


def _shown(values: dict[str, Any], key: str) -> str:
    if key not in values:
        return "(absent)"
    text = json.dumps(values[key], ensure_ascii=False)
    if text.startswith('"sha256:'):
        return text.strip('"')[:19]
    return text if len(text) <= LONGEST_VALUE else f"{text[: LONGEST_VALUE - 3]}..."


def name_some(names: Collection[str]) -> str:
    shown = ", ".join(sorted(names)[:3])
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3} more"
