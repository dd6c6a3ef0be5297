import json
from pathlib import Path
from typing import Any

import pytest
from upath import UPath


def manifest(name: str, started: str, seconds: float, says: str) -> dict[str, Any]:
    return {
        "stage": name,
        "says": says,
        "started": started,
        "seconds": seconds,
        "digest": f"digest of {name}",
        "seed": 7,
        "code_version": "1+abc",
    }


@pytest.fixture
def run(tmp_path: Path) -> UPath:
    """Three stages whose names are not in the order in which they were made, and the page."""
    folder = UPath(tmp_path / "toy")
    for name, started, seconds, says in (
        ("maps", "2026-01-01T10:00:05+00:00", 90.0, "Labels <all> images."),
        ("apples", "2026-01-01T10:00:05+00:00", 30.0, "Counts apples."),
        ("weights", "2026-01-01T09:00:00+00:00", 0.5, "Learns."),
        ("report", "2026-01-01T11:00:00+00:00", 5.0, "Draws this page."),
    ):
        (folder / name).mkdir(parents=True)
        note = manifest(name, started, seconds, says)
        (folder / name / "manifest.json").write_text(json.dumps(note))
    (folder / "unfinished").mkdir()
    lines = [{"image_id": 4, "reason": "zero bytes"}, {"annotation_id": 9, "reason": "beside it"}]
    (folder / "maps/failed.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (folder / "weights/metrics.jsonl").write_text('{"step": 1, "loss": 2.0}\n')
    (folder / "apples/metrics.json").write_text('{"apples": 3.25, "pears": null}')
    (folder / "config.resolved.yaml").write_text("seed: 7\n")
    return folder
