"""Compares two run folders value by value, to show that a change of form changed no number.

    python -m benchmarks.same_run BEFORE AFTER

Weights are compared to the byte, rows of labels, training sets, predictions and figures by value.
Names that version 0.1 used are translated; lineage and hashes, which name the code's own files,
are left out.
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from ray_wssis.storage import hash_file

OLD_FOLDERS = {
    "rough/masks": "rough_masks/rows",
    "rough": "rough_masks",
    "evaluation/predictions": "evaluation/rows",
}
OLD_NAMES = {
    "pictures": "source",
    "alarms": "flags",
    "num_pictures": "num_images",
    "num_failed_pictures": "num_failed_images",
    "class_drift_alarm": "class_drift_flag",
    "more_points": "extra_points",
}
LEFT_OUT = {"key", "hash", "pseudo", "info", "threshold"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    options = parser.parse_args()
    before, after = (dict(content(folder)) for folder in (options.before, options.after))
    missing = sorted(before.keys() ^ after.keys())
    different = sorted(name for name in before.keys() & after.keys() if before[name] != after[name])
    print(f"{len(before.keys() & after.keys()) - len(different)} parts are equal")
    for name in different:
        print(f"different: {name}")
    for name in missing:
        print(f"only in {'the first' if name in before else 'the second'}: {name}")
    raise SystemExit(bool(different or missing))


def content(run: Path) -> Iterator[tuple[str, Any]]:
    """Yield the name and the value of everything that a run came to."""
    for weights in sorted(run.glob("*/*/model.safetensors")):
        yield renamed(weights.relative_to(run).as_posix()), hash_file(weights)
    for folder in ("rough/masks", "rough_masks/rows", "labels/rows"):
        if (run / folder).is_dir():
            yield renamed(folder), rows(run / folder)
    for folder in ("evaluation/predictions", "evaluation/rows"):
        if (run / folder).is_dir():
            yield renamed(folder), rows(run / folder)
    for file in sorted(run.glob("merged/*.json")):
        if file.name not in ("manifest.json", "started.json"):
            yield file.name, plain(json.loads(file.read_text()))
    for name in ("metrics.json", "audit/audit.json", "audit/calibration.json", "audit/review.json"):
        yield name, plain(json.loads((run / name).read_text()))
    yield "labels/summary.json", plain(json.loads((run / "labels/summary.json").read_text()))
    masks = pq.read_table(run / "merged/train.parquet", columns=["image_id", "mask", "crowd"])
    yield "merged/train.parquet", masks.to_pylist()


def renamed(path: str) -> str:
    old = next((old for old in OLD_FOLDERS if path == old or path.startswith(f"{old}/")), None)
    return path if old is None else OLD_FOLDERS[old] + path.removeprefix(old)


def rows(folder: Path) -> list[Any]:
    """Read the rows of a folder of shards, in an order that does not depend on the shards."""
    found = [
        plain(row) for file in folder.glob("*.parquet") for row in pq.read_table(file).to_pylist()
    ]
    return sorted(found, key=repr)


def plain(value: Any) -> Any:
    """Translate old names in nested values, without what names the code's own files."""
    if isinstance(value, dict):
        return {
            OLD_NAMES.get(key, key): plain(inner)
            for key, inner in sorted(value.items())
            if key not in LEFT_OUT
        }
    if isinstance(value, list):
        return [plain(inner) for inner in value]
    if isinstance(value, str):
        return value.rsplit("/split/", 1)[-1]  # images lie in the run's own folder
    return value


if __name__ == "__main__":
    main()
