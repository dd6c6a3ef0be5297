"""A labelling stream over odd and broken image files: none stops it, and each is named once."""

import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pytest
import ray
from upath import UPath

from ray_wssis.data.coco.read import records_from_coco
from ray_wssis.streaming.config import LabellingWorkers
from ray_wssis.streaming.decode import Image
from ray_wssis.streaming.labeller import Infer, Row
from ray_wssis.streaming.stream import Pass, stream
from ray_wssis.streaming.table import read_rows
from tests.support.odd_images import SIZE, coco_of, write_odd_images

pytestmark = pytest.mark.slow

ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])  # workers cannot import tests


@dataclass(frozen=True)
class Shapes:
    """A labeller: the number of pixels of each image."""

    made_from = ""
    schema = pa.schema([("image_id", pa.int64()), ("pixels", pa.int64())])
    network_size = (48, 64)
    canvas_multiple = 32
    needs_original = True

    def open(self) -> Infer:
        return count

    def finish(self, row: Row) -> Row:
        return row


def count(images: list[Image]) -> list[Row]:
    return [
        {"image_id": image.record.image_id, "pixels": image.pixels.size // 3} for image in images
    ]


def test_each_odd_image_has_a_row_and_each_bad_one_a_reason(
    tmp_path: Path, ray_session: None
) -> None:
    odd = write_odd_images(tmp_path / "images")
    records = records_from_coco(coco_of(odd), str(tmp_path / "images"))
    records.write(UPath(tmp_path / "weak.parquet"))
    job = Pass(
        name="shapes",
        records=[UPath(tmp_path / "weak.parquet")],
        labeller=Shapes(),
        out=UPath(tmp_path / "out"),
    )
    done = stream(job, LabellingWorkers(batch_size=4, shard_size=16))
    rows = read_rows(job.out)
    assert Counter(row["image_id"] for row in rows) == Counter(range(len(odd)))
    for row in rows:
        each = odd[row["image_id"]]
        assert (row["error"] is None) == each.good, (each, row["error"])
        if each.good:
            assert row["pixels"] == SIZE[0] * SIZE[1]
        else:
            assert row["stage"] in ("read", "decode") and each.name in row["error"]
    assert done.num_failed == sum(not each.good for each in odd)
