"""Configuration keys that had another name in version 0.1; the old ones still work."""

import logging
from typing import Any

RENAMED = {
    "quality.threshold": "audit.threshold",
    "quality.review": "audit.review",
    "quality.below": "merge.below",
    "data.corrections": "merge.corrections",
    "teacher.training.max_validation_pictures": "teacher.training.max_validation_images",
    "refiner.training.max_validation_pictures": "refiner.training.max_validation_images",
    "student.training.max_validation_pictures": "student.training.max_validation_images",
    "doors": "ingresses",  # of the endpoint
    "door_cpus": "ingress_cpus",
}

logger = logging.getLogger(__name__)


def new_name(path: str) -> str:
    """Translate a dotted path, with a warning if it is an old one."""
    if path not in RENAMED:
        return path
    logger.warning("configuration: %s is now %s; the old name still works", path, RENAMED[path])
    return RENAMED[path]


def with_new_names(values: dict[str, Any]) -> dict[str, Any]:
    """Rename old keys in nested values; a value under its new name wins."""
    moved = {new: value for old, new in RENAMED.items() if (value := find(values, old)) is not None}
    if not moved:
        return values
    for old, new in RENAMED.items():
        if new in moved:
            values = without(values, old)
            values = with_default(values, new_name(old), moved[new])
    return values


def find(values: Any, path: str) -> Any:
    """Return the value at a dotted path, None if there is none."""
    for key in path.split("."):
        values = values.get(key) if isinstance(values, dict) else None
    return values


def without(values: dict[str, Any], path: str) -> dict[str, Any]:
    """Copy the values without the one at a dotted path, and without mappings left empty by it."""
    key, _, rest = path.partition(".")
    others = {name: value for name, value in values.items() if name != key}
    if not rest:
        return others
    inner = without(values[key], rest)
    return others | ({key: inner} if inner else {})


def with_default(values: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """Copy the values with one at a dotted path, unless there is one already."""
    key, _, rest = path.partition(".")
    if not rest:
        return {key: value} | values
    inner = values.get(key)
    return values | {key: with_default(inner if isinstance(inner, dict) else {}, rest, value)}
