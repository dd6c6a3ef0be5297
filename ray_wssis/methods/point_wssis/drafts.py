"""Teacher and refiner together: points in, drafts of masks out (PointWSSIS, arXiv:2303.15062).

The same object labels the weak images on a cluster and answers a person's clicks.  What is left
to do for a draft needs no network: `labeller.finish_row`.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import UInt8
from upath import UPath

from ray_wssis.data.records import Point, Record
from ray_wssis.instance.label_row import begin_row
from ray_wssis.instance.segmenter import Segmenter
from ray_wssis.methods.point_wssis.point_segmenter import RoughMasks, draw_points
from ray_wssis.methods.point_wssis.refined_mask import Answer
from ray_wssis.methods.point_wssis.refiner import Refiner
from ray_wssis.models.device import best_device
from ray_wssis.models.solov2 import SOLOv2Output
from ray_wssis.streaming.decode import Image


@dataclass(frozen=True, kw_only=True)
class Draft:
    """The output of the networks for the points of one image, in the order of its objects."""

    record: Record  # without the objects that nobody pointed at
    rough: RoughMasks
    answers: list[Answer | None]  # of the refiner; None: there is no rough mask, or no refiner

    def to_row(self) -> dict[str, Any]:
        """Convert to a row of labels that `labeller.finish_row` completes."""
        return begin_row(self.record) | {
            "rough": self.rough.masks,
            "level": self.rough.levels,
            "class_score": self.rough.class_scores,
            "maskness": self.rough.maskness,
            "level_margin": self.rough.margins,
            "answers": self.answers,
        }


class PointNetworks:
    def __init__(self, teacher: Segmenter, refiner: Refiner | None) -> None:
        self.teacher = teacher
        self.refiner = refiner

    @classmethod
    def load(cls, teacher: str, refiner: str | None) -> "PointNetworks":
        """Load the networks in these model folders."""
        device = best_device()
        return cls(
            Segmenter.load(UPath(teacher), device),
            None if refiner is None else Refiner.load(UPath(refiner), device),
        )

    def rows(self, images: list[Image]) -> list[dict[str, Any]]:
        """Draft the masks of all points of some images: one row per image."""
        output = self.teacher.forward([image.network_image for image in images])
        return [
            self.draft_of(
                output, index, image.record, image.pixels, image.network_image.shape[:2]
            ).to_row()
            for index, image in enumerate(images)
        ]

    def draft_of(
        self,
        output: SOLOv2Output,
        index: int,
        record: Record,
        image: UInt8[np.ndarray, "H W 3"],
        network_size: tuple[int, ...],
    ) -> Draft:
        """Draft the masks of image `index` of the batch behind the teacher's `output`, which serves
        as many calls as there are clicks.

        `image` [H, W, 3] uint8 has the original size; `network_size` is (height, width).
        """
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

    def answer(
        self, image: UInt8[np.ndarray, "H W 3"], rough: RoughMasks, record: Record
    ) -> list[Answer | None]:
        """Ask the refiner about each rough mask."""
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
            for i, answer in zip(drawn, found, strict=True):
                answers[i] = answer
        return answers


def pointed(record: Record) -> Record:
    """Leave out the objects without a point."""
    return replace(record, objects=tuple(obj for obj in record.objects if obj.point is not None))


def points_of(record: Record) -> list[Point]:
    """Return the points of the objects that have one."""
    return [obj.point for obj in record.objects if obj.point is not None]
