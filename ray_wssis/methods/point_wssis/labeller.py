"""Teacher and refiner together: points in, masks out (PointWSSIS, arXiv:2303.15062).

The same object labels the weak pictures on a cluster and answers a person's clicks.
"""

from dataclasses import dataclass

import numpy as np

from ray_wssis.data.records import Record
from ray_wssis.methods.point_wssis.mending import Answer, mend
from ray_wssis.methods.point_wssis.refiner import Refiner
from ray_wssis.methods.point_wssis.segmenter import RoughMasks, Segmenter


@dataclass(frozen=True, kw_only=True)
class Draft:
    """What the networks say about the points of one picture, one row per point."""

    rough: RoughMasks
    answers: list[Answer | None]  # of the refiner; None: no rough mask, or no refiner


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
        drafts = []
        for index, (record, image) in enumerate(zip(map(pointed, records), images, strict=True)):
            points = [point for point in record.points if point is not None]
            rough = self.teacher.masks_of_points(
                output,
                index,
                network_images[index].shape[:2],
                (record.height, record.width),
                points,
                record.labels,
                clicks=record.clicks,
            )
            answers = self.answer(image, rough, points, record.labels)
            drafts.append(Draft(rough=rough, answers=answers))
        return drafts

    def answer(
        self,
        image: np.ndarray,
        rough: RoughMasks,
        points: list[tuple[float, float]],
        labels: list[int],
    ) -> list[Answer | None]:
        """What the refiner says about each rough mask."""
        answers: list[Answer | None] = [None] * len(points)
        drawn = [i for i, mask in enumerate(rough.masks) if mask is not None]
        if self.refiner is not None and drawn:
            found = self.refiner.answer(
                image,
                [mask for mask in rough.masks if mask is not None],
                [points[i] for i in drawn],
                [labels[i] for i in drawn],
            )
            for i, each in zip(drawn, found, strict=True):
                answers[i] = each
        return answers


def pointed(record: Record) -> Record:
    """The record without objects that nobody pointed at."""
    return record.keep(i for i, point in enumerate(record.points) if point is not None)


def finish(draft: Draft, height: int, width: int) -> Labels:
    """The part of `PointLabeller.label` that needs no network."""
    refined: list[bytes | None] = list(draft.rough.masks)
    scores = list(draft.rough.maskness)
    for i, (mask, answer) in enumerate(zip(draft.rough.masks, draft.answers, strict=True)):
        if mask is not None and answer is not None:
            mended = mend(mask, answer, height, width)
            refined[i], scores[i] = mended.mask, mended.score
    return Labels(rough=draft.rough, refined=refined, refined_scores=scores)
