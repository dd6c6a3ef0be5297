"""The stage that turns the labels of a round into what its student learns.

Labels and their certainty are stored, so another policy needs no network: it counts the pixels of
each class and certainty, and then writes `pseudo.parquet`, in which pixels that are not kept are
unknown, and `kept.json`.
"""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Float64
from numpy.typing import NDArray
from upath import UPath

from ray_wssis.artifacts import Artifact, Workspace
from ray_wssis.data.class_maps.png import UNKNOWN, decode, encode, pixels
from ray_wssis.data.records import Record, Records, RecordsWriter
from ray_wssis.methods.self_training.config import Policy, SmallLoss
from ray_wssis.methods.self_training.histogram import Histogram, Kept
from ray_wssis.methods.self_training.policy import choose, costs_little, probability
from ray_wssis.run import ROWS, Run
from ray_wssis.semantic.counts import num_pixels
from ray_wssis.semantic.merge import PSEUDO_LABELS
from ray_wssis.semantic.split import TAUGHT, WEAK
from ray_wssis.storage import write_json
from ray_wssis.streaming.table import RowsById, each_row, pieces

FIGURES = "kept.json"
AT_A_TIME = 256  # images
SOURCE = UPath(WEAK).stem


def keep(
    run: Run, data: Artifact, labels: Artifact, policy: Policy, number: int, first: Artifact
) -> Artifact:
    """Keep the pixels of `labels` that are learnt in round `number`.

    `first` are the labels of a teacher that learnt from class maps alone.
    """

    def make(stage: Workspace) -> None:
        weak, taught = Records.read(data / WEAK), Records.read(data / TAUGHT)
        prior = shares(num_pixels(taught)[: len(taught.categories)])
        seen = count(labels / ROWS, len(prior))
        kept = choose(policy, number, seen, prior)
        total = np.zeros(256, np.int64)
        with RecordsWriter(stage / PSEUDO_LABELS, weak.categories) as writer:
            records = learnt(weak, RowsById(labels / ROWS, SOURCE), kept, run.config.seed)
            if isinstance(policy, SmallLoss):
                records = filtered(records, RowsById(first / ROWS, SOURCE), policy.loss)
            for record in records:
                assert record.class_map is not None
                total += pixels(decode(record.class_map))
                writer.add(record)
        names = [category.name for category in weak.categories]
        write_json(stage / FIGURES, figures(names, prior, seen, kept, total[: len(prior)]))

    made_from = {
        "weak": data.part(WEAK),
        "taught": data.part(TAUGHT),
        "labels": labels,
        "policy": policy,
        "round": number,
    }
    if isinstance(policy, SmallLoss):
        made_from["first"] = first
    says = "Keep the pixels that a student may learn"
    return run.stage("merged", says, made_from, make, follows_retry=True)


def count(rows: UPath, num_classes: int) -> Histogram:
    """Count the pixels of all weak images by label and certainty."""

    def of_row(row: dict[str, Any]) -> Histogram:
        return Histogram.of(decode(row["class_map"]), decode(row["certainty"]), num_classes)

    found = Histogram.none(num_classes)
    columns = ["class_map", "certainty", "error"]
    fine = (row for row in each_row(rows, columns, source=SOURCE) if row["error"] is None)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for piece in pieces(fine, AT_A_TIME):
            for counted in pool.map(of_row, piece):
                found += counted
    return found


def learnt(images: Records, rows: RowsById, kept: Kept, seed: int) -> Iterator[Record]:
    """Yield the images that have labels, with those of the pixels that are kept, and how sure the
    labels are.  Chance depends on the seed and the image."""

    def chosen(record: Record, row: dict[str, Any]) -> Record:
        labels, certainty = decode(row["class_map"]), decode(row["certainty"])
        rng = np.random.default_rng((seed, record.image_id))
        marks = kept.marks(labels, certainty, rng)
        class_map = encode(np.where(marks, labels, UNKNOWN).astype(np.uint8))
        return replace(record, class_map=class_map, confidence=row["confidence"])

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for piece in pieces(images, AT_A_TIME):
            of_piece = [(record, rows.get(record.image_id)) for record in piece]
            fine = [(rec, row) for rec, row in of_piece if row is not None and row["error"] is None]
            yield from pool.map(lambda pair: chosen(*pair), fine)


def filtered(records: Iterator[Record], teacher: RowsById, loss: float) -> Iterator[Record]:
    """Make the pixels unknown whose labels do not cost a teacher little; `teacher` are its rows."""
    for record in records:
        row = teacher.get(record.image_id)
        if row is not None and row["error"] is None and record.class_map is not None:
            labels = decode(record.class_map)
            seen = decode(row["class_map"]), decode(row["certainty"])
            marks = costs_little(labels, *seen, loss)
            yield replace(record, class_map=encode(np.where(marks, labels, UNKNOWN)))


def figures(
    names: list[str],
    prior: NDArray[np.float64],
    seen: Histogram,
    kept: Kept,
    total: NDArray[np.int64],
) -> dict[str, Any]:
    """Compose what a policy did to each class, in shares of 1."""
    number = int(seen.pixels().sum())
    drawn, left = shares(seen.pixels()), shares(total)
    return {
        "num_pixels": number,
        "kept": round(float(total.sum()) / max(1, number), 6),
        "classes": {
            name: {
                "prior": round(float(prior[i]), 6),
                "drawn": round(float(drawn[i]), 6),
                "kept": round(float(left[i]), 6),
                "from_probability": probability(int(kept.levels[i])),
            }
            for i, name in enumerate(names)
        },
    }


def shares(counts: NDArray[np.int64]) -> Float64[NDArray[np.float64], " K"]:
    """Return what part of all pixels each class has."""
    return counts / max(1, int(counts.sum()))
