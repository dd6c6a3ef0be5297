"""Strong pictures with their true masks and weak ones with their new masks: one training set.

A pseudo mask that is not to be trusted, and the surroundings of a point that got none, become
ignore regions: neither an object to learn nor background.  What a person corrected wins.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
from upath import UPath

from ray_wssis.artifacts import Artifact, open_stage
from ray_wssis.data.coco_writer import CocoWriter
from ray_wssis.data.corrections import Correction, read_corrections
from ray_wssis.data.records import Object, Record, Records
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
                [Merged(record=record, more=[{}] * len(record.objects)) for record in first]
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
            if kept or not record.objects:
                drawn = tuple(replace(record.objects[i], mask=row["rough"][i]) for i in kept)
                more = [pseudo(self.lineage, row, i) for i in kept]
                yield Merged(record=replace(record, objects=drawn), more=more)

    def refined(self, weak: Iterable[Record]) -> Iterator[Merged]:
        """The weak pictures with what is to be learnt, and with ignore regions."""
        for record, row in self.labelled(weak):
            expected = self.model.expected_iou(row)
            corrections = self.corrections.get(record.image_id, {})
            objects = [
                self.corrected(obj.annotation_id, correction)
                if (correction := corrections.get(obj.annotation_id)) is not None
                and correction.corrects(obj.label, row["refined"][i])
                else self.judged(record, row, i, expected[i])
                for i, obj in enumerate(record.objects)
            ]
            known = {obj.annotation_id for obj in record.objects}
            objects += [
                self.corrected(number, correction)
                for number, correction in sorted(corrections.items())
                if number not in known
            ]
            kept = [each for each in objects if each is not None]
            if kept or not record.objects:
                yield gathered(record, kept)

    def labelled(self, weak: Iterable[Record]) -> Iterator[tuple[Record, Row]]:
        """The pictures that have labels, each with its row: entry i of both is the same point."""
        for record in weak:
            row = self.rows.get(record.image_id)
            if row is None or row["error"] is not None or record.image_id in self.incomplete:
                continue
            pointed = tuple(obj for obj in record.objects if obj.point is not None)
            numbers = [obj.annotation_id for obj in pointed]
            assert numbers == row["annotation_id"], f"image {record.image_id}"
            yield replace(record, objects=pointed), row

    def judged(self, record: Record, row: Row, i: int, expected: float | None) -> "Learnt | None":
        """Point `i` as an object or an ignore region; None where it is dropped."""
        obj, mask = record.objects[i], row["refined"][i]
        poor = expected is not None and expected < self.quality.threshold
        if (mask is None or poor) and self.quality.below == "drop":
            return None
        if mask is None:
            assert obj.point is not None
            usual = self.model.prior.typical(obj.label)
            mask, poor = disc(obj.point, usual, record.height, record.width), True
        elif self.quality.below == "keep":
            poor = False
        return Learnt(
            Object(
                annotation_id=obj.annotation_id,
                label=obj.label,
                mask=mask,
                point=obj.point,
                crowd=poor,
            ),
            more=pseudo(self.lineage, row, i, expected),
        )

    def corrected(self, number: int, correction: Correction) -> "Learnt | None":
        """What a person says; None where there is no object."""
        if correction.mask is None:
            return None
        return Learnt(
            Object(
                annotation_id=number,
                label=correction.label,
                mask=correction.mask,
                crowd=correction.crowd,
            ),
            more={"corrected": True},
        )


class Learnt(NamedTuple):
    """One annotation of the training set."""

    obj: Object  # as a crowd: an ignore region
    more: dict[str, Any]  # further keys


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


def gathered(record: Record, learnt: list[Learnt]) -> Merged:
    """The picture of `record` with these objects."""
    return Merged(
        record=replace(record, objects=tuple(entry.obj for entry in learnt)),
        more=[entry.more for entry in learnt],
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
