"""Points in a file as a whole: in fractions, among several keypoints, beside unreadable masks."""

from collections.abc import Iterator, Mapping

from ray_wssis.data.coco.keypoints import labelled_keypoints
from ray_wssis.data.coco.outlines import SMALLEST_FOR_FRACTIONS
from ray_wssis.data.problem import Problem
from ray_wssis.data.survey.annotation import Annotation
from ray_wssis.data.survey.counted import MOST, named

FRACTIONS = "points in fractions"
FEWEST_FRACTIONS = 2  # one point alone may well be in the first pixel


class PointSurvey:
    """Counts points by how they were read."""

    def __init__(self) -> None:
        self.num_points = 0
        self.in_first_pixel: list[int] = []  # annotation ids, also below
        self.of_keypoints: list[int] = []
        self.unread: list[int] = []
        self.why_unread = ""

    def add(self, annotation: Annotation) -> None:
        if annotation.unread:
            self.why_unread = self.why_unread or annotation.unread
            self.unread.append(annotation.number)
        if annotation.point is None:
            return
        self.num_points += 1
        x, y = annotation.point
        is_large = max(annotation.height, annotation.width) > SMALLEST_FOR_FRACTIONS
        if is_large and x <= 1 and y <= 1:
            self.in_first_pixel.append(annotation.number)
        if annotation.from_box and len(labelled_keypoints(annotation.entry)) > 1:
            self.of_keypoints.append(annotation.number)

    def findings(self, categories: Mapping[int, str]) -> Iterator[Problem]:
        fractions = self.in_first_pixel
        if len(fractions) >= FEWEST_FRACTIONS and len(fractions) > MOST * self.num_points:
            yield Problem(
                severity="error",
                kind=FRACTIONS,
                where="annotations",
                found=f"{len(fractions)} of {self.num_points} points ({named(fractions)}) lie "
                "between 0 and 1, so these are probably fractions of the image",
                wanted="pixels: x times width, y times height of the image (`wssis data fix`)",
            )
        if self.unread:
            yield Problem(
                severity="warning",
                kind="unreadable mask beside a point",
                where="annotations",
                found=f"{len(self.unread)} masks beside a point ({named(self.unread)}) cannot be "
                f"read: {self.why_unread}",
                wanted="a mask that can be read in a strong file; in a weak one the point is used",
            )
        if self.of_keypoints:
            yield Problem(
                severity="warning",
                kind="several keypoints",
                where="annotations",
                found=f"{len(self.of_keypoints)} objects ({named(self.of_keypoints)}) have several "
                "labelled keypoints, and nothing tells which is on the object",
                wanted='a "point" or a single keypoint; the centre of the `bbox` is used instead',
            )
