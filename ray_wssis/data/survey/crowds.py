"""Crowd regions where objects were meant.

COCO's `iscrowd` marks regions that are neither learnt nor measured.  CVAT exports every mask drawn
with its brush with `iscrowd` 1, so that a whole data set can be ignored without an error.
"""

from collections import Counter
from collections.abc import Iterator, Mapping

from ray_wssis.data.problem import Problem
from ray_wssis.data.survey.annotation import Annotation

MOST_NAMES = 5
# Images of nothing but crowds are rare in real data: among COCO's 118,000 there is hardly one.
SUSPICIOUS_SHARE = 0.02
SUSPICIOUS_IMAGES = 2


class CrowdSurvey:
    """Counts crowds by image and class."""

    def __init__(self) -> None:
        self.num_objects: Counter[tuple[int, int]] = Counter()  # by image and category
        self.num_crowds: Counter[tuple[int, int]] = Counter()

    def add(self, annotation: Annotation) -> None:
        counts = self.num_crowds if annotation.crowd else self.num_objects
        counts[annotation.image_id, annotation.category_id] += 1

    def findings(self, categories: Mapping[int, str]) -> Iterator[Problem]:
        """Yield one finding about the file, or one about classes and one about images."""
        if not self.num_crowds:
            return
        if not self.num_objects:
            yield _finding("annotations", f"all {self.num_crowds.total()} annotations are")
            return
        classes = {c for _, c in self.num_crowds} - {c for _, c in self.num_objects}
        if classes:
            number = sum(n for (_, c), n in self.num_crowds.items() if c in classes)
            some = f"all {number} annotations of {_named(classes, categories)} are"
            yield _finding("categories", some)
        with_objects = {i for i, _ in self.num_objects}
        images = {i for i, c in self.num_crowds if c not in classes} - with_objects
        num_images = len(with_objects | {i for i, _ in self.num_crowds})
        if len(images) >= max(SUSPICIOUS_IMAGES, SUSPICIOUS_SHARE * num_images):
            some = f"all annotations of {len(images)} images (image {min(images)}, for example) are"
            yield _finding("images", some)


def _named(classes: set[int], categories: Mapping[int, str]) -> str:
    names = [categories.get(number, str(number)) for number in sorted(classes)]
    rest = f" and {len(names) - MOST_NAMES} more classes" if len(names) > MOST_NAMES else ""
    return ", ".join(names[:MOST_NAMES]) + rest


def _finding(where: str, these_are: str) -> Problem:
    return Problem(
        severity="warning",
        kind="only crowds",
        where=where,
        found=f"{these_are} crowd regions (iscrowd 1), which are ignored",
        wanted=(
            "objects, iscrowd 0; masks drawn in CVAT are exported as crowds: "
            "`data.crowds: objects` (or `wssis data split --crowds objects`) reads them as objects"
        ),
    )
