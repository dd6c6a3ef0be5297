"""Pseudo labels become records to learn from: `pseudo.parquet`, with a full class map per image."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from upath import UPath

from ray_wssis.artifacts import Artifact, Workspace
from ray_wssis.data.class_maps.png import UNKNOWN, decode, encode
from ray_wssis.data.records import Record, Records, RecordsWriter
from ray_wssis.run import ROWS, Run
from ray_wssis.semantic.label_config import MergeConfig
from ray_wssis.semantic.to_label import to_label
from ray_wssis.streaming.table import RowsById

PSEUDO_LABELS = "pseudo.parquet"


def merge(run: Run, data: Artifact, labels: Artifact, config: MergeConfig) -> Artifact:
    """Turn finished rows into records; images that failed are left out."""
    name = to_label(data.folder)

    def make(stage: Workspace) -> None:
        images = Records.read(data / name)
        rows = RowsById(labels / ROWS, UPath(name).stem)
        with RecordsWriter(stage / PSEUDO_LABELS, images.categories) as writer:
            for record in labelled(images, rows, config.min_confidence):
                writer.add(record)

    made_from = {UPath(name).stem: data.part(name), "labels": labels, "merge": config}
    return run.stage(
        "merged", "Turn pseudo labels into a training set", made_from, make, follows_retry=True
    )


def labelled(images: Records, rows: RowsById, min_confidence: float) -> Iterator[Record]:
    """Yield the images that have labels, with them."""
    for record in images:
        row = rows.get(record.image_id)
        if row is None or row["error"] is not None:
            continue
        class_map = row["class_map"]
        if min_confidence > 0:
            unsure = decode(row["confidence"]) < 255 * min_confidence
            class_map = encode(np.where(unsure, UNKNOWN, decode(class_map)).astype(np.uint8))
        yield replace(record, class_map=class_map)
