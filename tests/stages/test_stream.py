"""Ray Data around the workers: every picture once, broken ones too."""

import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import ray
from upath import UPath

from ray_wssis.artifacts import Artifact
from ray_wssis.data.records import Records
from ray_wssis.stages.decode import Picture
from ray_wssis.stages.split import STRONG, WEAK
from ray_wssis.stages.stream import LabellingWorkers, stream
from ray_wssis.stages.table import read_rows

ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])  # workers cannot import tests


class Measure:
    """Pictures -> their mean brightness, and how many came together."""

    schema = pa.schema(
        [
            ("source", pa.string()),
            ("image_id", pa.int64()),
            ("mean", pa.float64()),
            ("together", pa.int64()),
            ("error", pa.string()),
        ]
    )

    def __init__(self, offset: float) -> None:
        self.offset = offset

    def __call__(self, pictures: list[Picture]) -> list[dict[str, Any]]:
        return [
            {
                "source": picture.source,
                "image_id": picture.record.image_id,
                "mean": None if picture.error else float(picture.image.mean()) + self.offset,
                "together": len(pictures),
                "error": picture.error,
            }
            for picture in pictures
        ]


@pytest.mark.slow
def test_every_picture_comes_out_once(data: Artifact, tmp_path: Path, ray_session: None) -> None:
    weak = Records.read(data / WEAK)
    rows = weak.table.to_pylist()
    rows[2]["file"] = str(tmp_path / "gone.png")
    table = pa.Table.from_pylist(rows, schema=weak.table.schema)
    Records(table, weak.categories).write(UPath(tmp_path / "weak.parquet"))
    stream(
        [data / STRONG, UPath(tmp_path / "weak.parquet")],
        Measure,
        {"offset": 1000.0},
        (64, 64),
        LabellingWorkers(batch_size=4),
        UPath(tmp_path / "out"),
        folder_per="source",
    )
    strong = read_rows(UPath(tmp_path / "out/source=strong"))
    found = read_rows(UPath(tmp_path / "out/source=weak"))
    assert [row["image_id"] for row in found] == sorted(record.image_id for record in weak)
    assert len(strong) == 2 and all(row["mean"] > 1000 for row in strong)
    (broken,) = [row for row in found if row["error"]]
    assert broken["image_id"] == rows[2]["image_id"] and "gone.png" in broken["error"]
    assert max(row["together"] for row in found) <= 4
