"""Strong pictures with their true masks and weak ones with their new masks: one training set.

A pseudo mask that is not to be trusted, and the surroundings of a point that got none, become
ignore regions: neither an object to learn nor background.  What a person corrected wins.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from upath import UPath

from ray_wssis.artifacts import Artifact, open_stage
from ray_wssis.data.coco_writer import CocoWriter
from ray_wssis.data.corrections import Correction, read_corrections
from ray_wssis.data.records import Record, Records
from ray_wssis.instance.audit import CALIBRATION, read_quality
from ray_wssis.instance.label import ROWS
from ray_wssis.instance.quality import QualityConfig, QualityModel
from ray_wssis.instance.split import REJECTED, STRONG, WEAK
from ray_wssis.masks import disc
from ray_wssis.storage import hash_file
from ray_wssis.streaming.table import RowsById, pieces

MERGED = "train.parquet"
EXPECTED = pa.field("expected_iou", pa.list_(pa.float32()))  # null: a person drew the mask
PICTURES_AT_A_TIME = 512

Row = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Merged:
    """One picture of the training set; entry i of `more` belongs to object i."""

    record: Record
    more: list[dict[str, Any]]  # further keys of its COCO annotations


def merge(
    data: Artifact,
    labels: Artifact,
    audit: Artifact,
    quality: QualityConfig,
    corrections: Sequence[str],
    lineage: dict[str, str],
    name: str,
    folder: UPath,
    *,
    redo: bool,
) -> Artifact:
    """Records to train the student with, and the COCO files `NAME_sw_refined.json` and
    `NAME_sw.json` (all rough masks, unjudged) for every other tool.

    `lineage` says what drew the pseudo masks; every one of them carries it.  Left out are pictures
    that failed or have a rejected point: their unlabelled objects would be learnt as background.
    """
    made_from = {
        "split": {part: data.hash_of(part) for part in (STRONG, WEAK, REJECTED)},
        "labels": labels,
        "quality": {"threshold": quality.threshold, "below": quality.below},
        "calibration": audit.hash_of(CALIBRATION),
        "corrections": [hash_file(file) for file in corrections],
        "lineage": lineage,
        "name": name,
    }
    stage = open_stage(folder, made_from, redo=redo)
    if isinstance(stage, Artifact):
        return stage
    strong, weak = Records.read(data / STRONG), Records.read(data / WEAK)
    merging = Merging(
        rows=RowsById(labels / ROWS, UPath(WEAK).stem),
        model=read_quality(audit),
        quality=quality,
        corrections=read_corrections(corrections, weak),
        lineage=lineage,
        incomplete=incomplete(data / REJECTED),
    )
    info = {"description": "true and pseudo masks", "pseudo": lineage}
    with CocoWriter(stage / f"{name}_sw.json", weak.categories, info) as rough:
        for record in strong:
            rough.add(record)
        for each in merging.rough(weak):
            rough.add(each.record, each.more)
    with (
        CocoWriter(stage / f"{name}_sw_refined.json", weak.categories, info) as refined,
        RecordsWriter(stage / MERGED, strong) as records,
    ):
        for first in pieces(strong, PICTURES_AT_A_TIME):
            for record in first:
                refined.add(record)
            records.write(
                [Merged(record=record, more=[{}] * len(record.labels)) for record in first]
            )
        for some in pieces(merging.refined(weak), PICTURES_AT_A_TIME):
            for each in some:
                refined.add(each.record, each.more)
            records.write(some)
    return stage.finish()


@dataclass(frozen=True, kw_only=True)
class Merging:
    """How a weak picture and its row of labels become a picture to learn from."""

    rows: RowsById
    model: QualityModel
    quality: QualityConfig
    corrections: dict[int, dict[int, Correction]]  # by image id and annotation id
    lineage: dict[str, str]
    incomplete: set[int]  # image ids

    def rough(self, weak: Iterable[Record]) -> Iterator[Merged]:
        """The weak pictures with all their rough masks."""
        for record, row in self.labelled(weak):
            kept = [i for i, mask in enumerate(row["rough"]) if mask is not None]
            if kept or not record.labels:
                drawn = replace(record, masks=row["rough"]).keep(kept)
                yield Merged(record=drawn, more=[pseudo(self.lineage, row, i) for i in kept])

    def refined(self, weak: Iterable[Record]) -> Iterator[Merged]:
        """The weak pictures with what is to be learnt, and with ignore regions."""
        for record, row in self.labelled(weak):
            expected = self.model.expected_iou(row)
            corrections = self.corrections.get(record.image_id, {})
            objects = [
                self.corrected(record.annotation_ids[i], correction)
                if (correction := corrections.get(record.annotation_ids[i])) is not None
                and correction.corrects(record.labels[i], row["refined"][i])
                else self.judged(record, row, i, expected[i])
                for i in range(len(record.labels))
            ]
            known = set(record.annotation_ids)
            objects += [
                self.corrected(number, correction)
                for number, correction in sorted(corrections.items())
                if number not in known
            ]
            kept = [each for each in objects if each is not None]
            if kept or not record.labels:
                yield gathered(record, kept)

    def labelled(self, weak: Iterable[Record]) -> Iterator[tuple[Record, Row]]:
        """The pictures that have labels, each with its row: entry i of both is the same point."""
        for record in weak:
            row = self.rows.get(record.image_id)
            if row is None or row["error"] is not None or record.image_id in self.incomplete:
                continue
            pointed = record.keep(i for i, p in enumerate(record.points) if p is not None)
            assert pointed.annotation_ids == row["annotation_id"], f"image {record.image_id}"
            yield pointed, row

    def judged(self, record: Record, row: Row, i: int, expected: float | None) -> "Object | None":
        """Point `i` as an object or an ignore region; None where it is dropped."""
        mask, more = row["refined"][i], pseudo(self.lineage, row, i, expected)
        poor = expected is not None and expected < self.quality.threshold
        if (mask is None or poor) and self.quality.below == "drop":
            return None
        if mask is None:
            point = record.points[i]
            assert point is not None
            usual = self.model.prior.typical(record.labels[i])
            mask, poor = disc(point, usual, record.height, record.width), True
        elif self.quality.below == "keep":
            poor = False
        return Object(
            annotation_id=record.annotation_ids[i],
            label=record.labels[i],
            mask=mask,
            point=record.points[i],
            ignored=poor,
            more=more,
        )

    def corrected(self, number: int, correction: Correction) -> "Object | None":
        """What a person says; None where there is no object."""
        if correction.mask is None:
            return None
        return Object(
            annotation_id=number,
            label=correction.label,
            mask=correction.mask,
            point=None,
            ignored=correction.crowd,
            more={"corrected": True},
        )


@dataclass(frozen=True, kw_only=True)
class Object:
    """One annotation of the training set."""

    annotation_id: int
    label: int
    mask: bytes
    point: tuple[float, float] | None
    ignored: bool  # a region, no object
    more: dict[str, Any]


def pseudo(
    lineage: dict[str, str], row: Row, i: int, expected: float | None = None
) -> dict[str, Any]:
    """Where pseudo mask `i` comes from, what is odd about it, and what IoU is to be expected."""
    point = {"point_id": row["annotation_id"][i], "level": row["level"][i]}
    more: dict[str, Any] = {"pseudo": lineage | point}
    if row["alarms"][i]:
        more["alarms"] = row["alarms"][i]
    if expected is not None:
        more["expected_iou"] = round(expected, 4)
    return more


def gathered(record: Record, objects: list[Object]) -> Merged:
    """The picture of `record` with these objects."""
    return Merged(
        record=Record(
            image_id=record.image_id,
            file=record.file,
            width=record.width,
            height=record.height,
            annotation_ids=[each.annotation_id for each in objects],
            labels=[each.label for each in objects],
            masks=[each.mask for each in objects],
            points=[each.point for each in objects],
            crowds=[each.ignored for each in objects],
        ),
        more=[each.more for each in objects],
    )


def incomplete(rejected: UPath) -> set[int]:
    """Ids of the pictures with an object that nobody can place."""
    lines = (json.loads(line) for line in rejected.read_text().splitlines())
    return {line["image_id"] for line in lines if line["image_id"] is not None}


class RecordsWriter:
    """Records of any number, with the expected IoU of their masks, into one Parquet file."""

    def __init__(self, file: UPath, like: Records) -> None:
        self.stream = file.open("wb")
        self.schema = like.schema.append(EXPECTED)
        self.writer = pq.ParquetWriter(self.stream, self.schema)

    def __enter__(self) -> "RecordsWriter":
        return self

    def write(self, pictures: list[Merged]) -> None:
        rows = [
            each.record.to_row() | {EXPECTED.name: [x.get("expected_iou") for x in each.more]}
            for each in pictures
        ]
        self.writer.write_table(pa.Table.from_pylist(rows, schema=self.schema))

    def __exit__(self, *_: object) -> None:
        self.writer.close()
        self.stream.close()
