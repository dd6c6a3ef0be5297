"""Weak images and their rows of labels become images to learn from."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from upath import UPath

from ray_wssis.data.corrections.places import Known, Places
from ray_wssis.data.corrections.read import Correction
from ray_wssis.data.records import Object, Record
from ray_wssis.instance.quality import QualityModel
from ray_wssis.masks import disc
from ray_wssis.streaming.labeller import Row
from ray_wssis.streaming.table import RowsById


class Learnt(NamedTuple):
    """One annotation of the training set."""

    obj: Object  # as a crowd: an ignore region
    extra: dict[str, Any]  # further keys


@dataclass(frozen=True, kw_only=True)
class Merged:
    """One image of the training set; entry i of `extra` belongs to object i."""

    record: Record
    extra: list[dict[str, Any]]  # further keys of its COCO annotations


@dataclass(frozen=True, kw_only=True)
class Merging:
    rows: RowsById
    model: QualityModel
    threshold: float  # expected IoU below which a mask is poor
    below: str  # auto, keep, ignore or drop: which masks are poor, and what happens to them
    corrections: dict[int, dict[int, Correction]]  # by image id and annotation id
    lineage: Mapping[str, str]
    incomplete: set[int]  # image ids
    places: Places = field(default_factory=Places)  # of the corrections

    def rough(self, weak: Iterable[Record]) -> Iterator[Merged]:
        """Yield the weak images with all their rough masks."""
        for record, row in self.labelled(weak):
            kept = [i for i, mask in enumerate(row["rough"]) if mask is not None]
            if kept or not record.objects:
                drawn = tuple(replace(record.objects[i], mask=row["rough"][i]) for i in kept)
                extra = [pseudo(self.lineage, row, i) for i in kept]
                yield Merged(record=replace(record, objects=drawn), extra=extra)

    def refined(self, weak: Iterable[Record]) -> Iterator[Merged]:
        """Yield the weak images with what is to be learnt, and with ignore regions."""
        for record, row in self.labelled(weak):
            expected, poor = self.model.expected_iou(row), self.poor(row)
            corrections = self.placed(record, row)
            learnt = [
                self.corrected(obj.annotation_id, correction)
                if (correction := corrections.get(obj.annotation_id)) is not None
                and correction.corrects(obj.label, row[self.model.masks][i])
                else self.judged(record, row, i, expected[i], poor[i])
                for i, obj in enumerate(record.objects)
            ]
            known = {obj.annotation_id for obj in record.objects}
            learnt += [
                self.corrected(number, correction)
                for number, correction in sorted(corrections.items())
                if number not in known
            ]
            kept = [entry for entry in learnt if entry is not None]
            if kept or not record.objects:
                yield gathered(record, kept)

    def placed(self, record: Record, row: Row) -> dict[int, Correction]:
        """Return the corrections of an image that are in the place of their objects."""
        corrections = self.corrections.get(record.image_id, {})
        if corrections:
            objects = {
                obj.annotation_id: Known(obj.label, row[self.model.masks][i], obj.point)
                for i, obj in enumerate(record.objects)
            }
            self.places.look(corrections, objects, record.height, record.width)
        refused = self.places.refused
        return {number: each for number, each in corrections.items() if number not in refused}

    def labelled(self, weak: Iterable[Record]) -> Iterator[tuple[Record, Row]]:
        """Yield the images that have labels, each with its row: entry i of both is one point."""
        for record in weak:
            row = self.rows.get(record.image_id)
            if row is None or row["error"] is not None or record.image_id in self.incomplete:
                continue
            pointed = tuple(obj for obj in record.objects if obj.point is not None)
            numbers = [obj.annotation_id for obj in pointed]
            assert numbers == row["annotation_id"], f"image {record.image_id}"
            yield replace(record, objects=pointed), row

    def poor(self, row: Row) -> list[bool]:
        """Decide which masks of a row are poor: false where nothing is expected."""
        asked = self.model.highest_ious if self.below == "auto" else self.model.expected_ious
        return [bool(iou < self.threshold) for iou in asked([row])]

    def judged(
        self, record: Record, row: Row, i: int, expected: float | None, poor: bool
    ) -> Learnt | None:
        """Turn point `i` into an object or an ignore region; None if it is dropped."""
        obj, mask = record.objects[i], row[self.model.masks][i]
        if (mask is None or poor) and self.below == "drop":
            return None
        if mask is None:
            assert obj.point is not None
            usual = self.model.prior.typical(obj.label)
            mask, poor = disc(obj.point, usual, record.height, record.width), True
        elif self.below == "keep":
            poor = False
        return Learnt(
            Object(
                annotation_id=obj.annotation_id,
                label=obj.label,
                mask=mask,
                point=obj.point,
                crowd=poor,
            ),
            pseudo(self.lineage, row, i, expected),
        )

    def corrected(self, number: int, correction: Correction) -> Learnt | None:
        """Turn a correction by a person into an object; None if it says that there is none."""
        if correction.mask is None:
            return None
        return Learnt(
            Object(
                annotation_id=number,
                label=correction.label,
                mask=correction.mask,
                crowd=correction.crowd,
            ),
            {"corrected": True},
        )


def pseudo(
    lineage: Mapping[str, str], row: Row, i: int, expected: float | None = None
) -> dict[str, Any]:
    """Describe pseudo mask `i`: its lineage, its flags and its expected IoU."""
    origin: dict[str, Any] = {**lineage, "point_id": row["annotation_id"][i]}
    if "level" in row:
        origin["level"] = row["level"][i]
    extra: dict[str, Any] = {"pseudo": origin}
    if row["flags"][i]:
        extra["flags"] = row["flags"][i]
    if expected is not None:
        extra["expected_iou"] = round(expected, 4)
    return extra


def gathered(record: Record, learnt: list[Learnt]) -> Merged:
    """Replace the objects of an image by these."""
    return Merged(
        record=replace(record, objects=tuple(entry.obj for entry in learnt)),
        extra=[entry.extra for entry in learnt],
    )


def incomplete(rejected: UPath) -> set[int]:
    """Return the ids of the images with an object that nobody can place."""
    lines = (json.loads(line) for line in rejected.read_text().splitlines())
    return {line["image_id"] for line in lines if line["image_id"] is not None}
