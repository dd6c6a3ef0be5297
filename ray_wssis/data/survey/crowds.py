"""Crowd regions where objects were meant.

COCO's `iscrowd` marks regions that are neither learnt nor measured.  CVAT exports every mask drawn
with its brush with `iscrowd` 1, so that a whole data set can be ignored without an error.
"""

from array import array
from collections import Counter, defaultdict
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
        self.objects: Counter[int] = Counter()  # by category
        self.crowds: Counter[int] = Counter()
        self.images_of_objects = array("q")  # image ids, some of them often
        self.images_of_crowds: dict[int, set[int]] = defaultdict(set)  # by category

    def add(self, annotation: Annotation) -> None:
        image, category = annotation.image_id, annotation.category_id
        if annotation.crowd:
            self.crowds[category] += 1
            self.images_of_crowds[category].add(image)
        else:
            self.objects[category] += 1
            if not self.images_of_objects or self.images_of_objects[-1] != image:
                self.images_of_objects.append(image)

    def findings(self, categories: Mapping[int, str]) -> Iterator[Problem]:
        """Yield one finding about the file, or one about classes and one about images."""
        if not self.crowds:
            return
        if not self.objects:
            yield _finding("annotations", f"all {self.crowds.total()} annotations are")
            return
        classes = self.crowds.keys() - self.objects.keys()
        if classes:
            number = sum(self.crowds[category] for category in classes)
            some = f"all {number} annotations of {_named(classes, categories)} are"
            yield _finding("categories", some)
        with_objects = set(self.images_of_objects)
        others = [own for category, own in self.images_of_crowds.items() if category not in classes]
        images = set().union(*others) - with_objects
        num_images = len(with_objects.union(*self.images_of_crowds.values()))
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
