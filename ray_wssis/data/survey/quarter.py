"""Objects that are all in the top left quarter of their images: those of smaller images, probably.

Outlines and points of a smaller copy, or in percent, lie in the image and are read without a
complaint.  Objects are anywhere, so many of them in the same quarter are no accident.
"""

from collections.abc import Iterator, Mapping

from ray_wssis.data.problem import Problem
from ray_wssis.data.survey.annotation import Annotation

FEWEST_OBJECTS = 8
FEWEST_IMAGES = 3
SMALLEST_REACH = 2.0  # pixels; what reaches less far is in fractions, which is said elsewhere


class QuarterSurvey:
    """Notes how far masks and points reach to the right and down."""

    def __init__(self) -> None:
        self.num_objects = 0
        self.images: set[int] = set()  # as many ids as are needed
        self.right = self.bottom = 0.0  # share of the image
        self.reach = 0.0  # pixels

    def add(self, annotation: Annotation) -> None:
        if annotation.mask_box is not None:
            x, y = float(annotation.mask_box[2]), float(annotation.mask_box[3])
        elif annotation.point is not None:
            x, y = annotation.point
        else:
            return
        self.num_objects += 1
        if len(self.images) < FEWEST_IMAGES:
            self.images.add(annotation.image_id)
        self.right = max(self.right, x / annotation.width)
        self.bottom = max(self.bottom, y / annotation.height)
        self.reach = max(self.reach, x, y)

    def findings(self, categories: Mapping[int, str]) -> Iterator[Problem]:
        many = self.num_objects >= FEWEST_OBJECTS and len(self.images) >= FEWEST_IMAGES
        if many and self.reach >= SMALLEST_REACH and max(self.right, self.bottom) <= 0.5:
            yield Problem(
                severity="warning",
                kind="objects in a quarter",
                where="annotations",
                found=f"all {self.num_objects} objects lie in the top left quarter of their "
                f"images, none reaches beyond {self.right:.0%} of the width and "
                f"{self.bottom:.0%} of the height",
                wanted="pixels of these images; were the objects drawn on smaller ones, or are "
                "they in percent?",
            )
