"""Teacher and refiner together: points in, masks out (PointWSSIS, arXiv:2303.15062).

The same object labels the weak pictures on a cluster and answers a person's clicks.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ray_wssis.data.records import Point, Record
from ray_wssis.instance.segmenter import Segmenter
from ray_wssis.methods.point_wssis.point_segmenter import RoughMasks, draw_points
from ray_wssis.methods.point_wssis.refined_mask import Answer, mend
from ray_wssis.methods.point_wssis.refiner import Refiner
from ray_wssis.models.solov2 import SOLOv2Output


@dataclass(frozen=True, kw_only=True)
class Draft:
    """What the networks say about the points of one picture, one row per point."""

    record: Record  # without the objects that nobody pointed at
    rough: RoughMasks
    answers: list[Answer | None]  # of the refiner; None: no rough mask, or no refiner

    def to_row(self) -> dict[str, Any]:
        """The same as a row of labels that `stages.label_row.finish_row` finishes."""
        objects = self.record.objects
        points = points_of(self.record)
        return {
            "image_id": self.record.image_id,
            "file": self.record.file,
            "width": self.record.width,
            "height": self.record.height,
            "annotation_id": [obj.annotation_id for obj in objects],
            "label": [obj.label for obj in objects],
            "x": [x for x, _ in points],
            "y": [y for _, y in points],
            "rough": self.rough.masks,
            "level": self.rough.levels,
            "class_score": self.rough.class_scores,
            "maskness": self.rough.maskness,
            "level_margin": self.rough.margins,
            "answers": self.answers,
        }


@dataclass(frozen=True, kw_only=True)
class Labels:
    """One row per point of one picture; None where a point got no mask."""

    rough: RoughMasks
    refined: list[bytes | None]
    refined_scores: list[float]


class PointLabeller:
    def __init__(self, teacher: Segmenter, refiner: Refiner | None) -> None:
        self.teacher = teacher
        self.refiner = refiner

    def label(
        self, records: list[Record], images: list[np.ndarray], network_images: list[np.ndarray]
    ) -> list[Labels]:
        """Masks for the points of each record, objects without a point left out.

        `images` [H, W, 3] uint8 are of original size, `network_images` as `network_image` makes.
        Without a refiner the rough masks stay as they are.
        """
        drafts = self.draft(records, images, network_images)
        return [
            finish(draft, record.height, record.width)
            for draft, record in zip(drafts, records, strict=True)
        ]

    def draft(
        self, records: list[Record], images: list[np.ndarray], network_images: list[np.ndarray]
    ) -> list[Draft]:
        """The part of `label` that needs the networks."""
        output = self.teacher.forward(network_images)
        return [
            self.draft_of(output, index, record, image, network_images[index].shape[:2])
            for index, (record, image) in enumerate(zip(records, images, strict=True))
        ]

    def draft_of(
        self,
        output: SOLOv2Output,
        index: int,
        record: Record,
        image: np.ndarray,
        network_size: tuple[int, ...],
    ) -> Draft:
        """The draft of picture `index` of the batch behind the teacher's `output`, which may be
        asked as often as somebody clicks."""
        known = pointed(record)
        rough = draw_points(
            self.teacher,
            output,
            index,
            (network_size[0], network_size[1]),
            (record.height, record.width),
            points_of(known),
            [obj.label for obj in known.objects],
            clicks=[obj.clicks for obj in known.objects],
        )
        return Draft(record=known, rough=rough, answers=self.answer(image, rough, known))

    def answer(self, image: np.ndarray, rough: RoughMasks, record: Record) -> list[Answer | None]:
        """What the refiner says about each rough mask."""
        answers: list[Answer | None] = [None] * len(record.objects)
        drawn = [i for i, mask in enumerate(rough.masks) if mask is not None]
        points = points_of(record)
        if self.refiner is not None and drawn:
            found = self.refiner.answer(
                image,
                [mask for mask in rough.masks if mask is not None],
                [points[i] for i in drawn],
                [record.objects[i].label for i in drawn],
            )
            for i, each in zip(drawn, found, strict=True):
                answers[i] = each
        return answers


def pointed(record: Record) -> Record:
    """The record without objects that nobody pointed at."""
    return replace(record, objects=tuple(obj for obj in record.objects if obj.point is not None))


def points_of(record: Record) -> list[Point]:
    """The points of the objects that have one."""
    return [obj.point for obj in record.objects if obj.point is not None]


def finish(draft: Draft, height: int, width: int) -> Labels:
    """The part of `PointLabeller.label` that needs no network."""
    refined: list[bytes | None] = list(draft.rough.masks)
    scores = list(draft.rough.maskness)
    for i, (mask, answer) in enumerate(zip(draft.rough.masks, draft.answers, strict=True)):
        if mask is not None and answer is not None:
            mended = mend(mask, answer, height, width)
            refined[i], scores[i] = mended.mask, mended.score
    return Labels(rough=draft.rough, refined=refined, refined_scores=scores)
