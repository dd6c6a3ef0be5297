"""Teacher and refiner together: points in, masks out (PointWSSIS, arXiv:2303.15062).

The same object labels the weak pictures on a cluster and answers a person's clicks.
"""

from dataclasses import dataclass

import numpy as np

from ray_wssis.data.records import Record
from ray_wssis.methods.point_wssis.refiner import Refiner
from ray_wssis.methods.point_wssis.segmenter import RoughMasks, Segmenter


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
        """
        output = self.teacher.forward(network_images)
        labels = []
        for index, (record, image) in enumerate(zip(records, images, strict=True)):
            pointed = zip(record.points, record.labels, strict=True)
            given = [(point, label) for point, label in pointed if point is not None]
            points, classes = [point for point, _ in given], [label for _, label in given]
            rough = self.teacher.masks_of_points(
                output,
                index,
                network_images[index].shape[:2],
                (record.height, record.width),
                points,
                classes,
            )
            labels.append(self.mend(image, rough, points, classes))
        return labels

    def mend(
        self,
        image: np.ndarray,
        rough: RoughMasks,
        points: list[tuple[float, float]],
        labels: list[int],
    ) -> Labels:
        """The rough masks refined; without a refiner they stay as they are."""
        refined: list[bytes | None] = list(rough.masks)
        scores = list(rough.maskness)
        drawn = [i for i, mask in enumerate(rough.masks) if mask is not None]
        if self.refiner is not None and drawn:
            mended = self.refiner.refine(
                image,
                [mask for mask in rough.masks if mask is not None],
                [points[i] for i in drawn],
                [labels[i] for i in drawn],
            )
            for i, each in zip(drawn, mended, strict=True):
                refined[i], scores[i] = each.mask, each.score
        return Labels(rough=rough, refined=refined, refined_scores=scores)
