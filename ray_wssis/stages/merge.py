"""Strong pictures with their true masks and weak ones with their new masks: one training set."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from upath import UPath

from ray_wssis.artifacts import Artifact, open_stage
from ray_wssis.data.coco import write_coco
from ray_wssis.data.records import Record, Records
from ray_wssis.stages.split import STRONG, WEAK
from ray_wssis.stages.table import read_rows

MERGED = "train.parquet"


def merge(data: Artifact, labels: Artifact, name: str, folder: UPath, *, redo: bool) -> Artifact:
    """Records to train the student with, and the COCO files `NAME_sw_refined.json` and
    `NAME_sw.json` (rough masks) for every other tool.

    A point without a mask is not in them.  A picture whose points all lack one is left out: it
    would be learnt as background.
    """
    made_from = {"split": data, "labels": labels, "name": name}
    stage = open_stage(folder, made_from, redo=redo)
    if isinstance(stage, Artifact):
        return stage
    strong, weak = Records.read(data / STRONG), Records.read(data / WEAK)
    rows = {row["image_id"]: row for row in read_rows(labels / UPath(WEAK).stem)}
    for column, suffix in (("rough", "sw"), ("refined", "sw_refined")):
        labelled = labelled_records(weak, rows, column)
        merged = Records.from_rows([*strong, *labelled], strong.categories)
        write_coco(merged, stage / f"{name}_{suffix}.json")
    merged.write(stage / MERGED)
    return stage.finish()


def labelled_records(
    weak: Records, rows: dict[int, dict[str, Any]], column: str
) -> Iterator[Record]:
    """The weak pictures with the masks of `column`; points without a mask are left out."""
    for record in weak:
        row = rows.get(record.image_id)
        if row is None or row["error"] is not None:
            continue
        masks = dict(zip(row["annotation_id"], row[column], strict=True))
        found = [masks.get(annotation) for annotation in record.annotation_ids]
        drawn = [index for index, mask in enumerate(found) if mask is not None]
        if drawn or not found:
            yield replace(record, masks=found).keep(drawn)
