"""Checks of the annotations of a COCO instance file, each on its own and all of them together."""

from collections import Counter, defaultdict
from typing import Any

from ray_wssis import masks
from ray_wssis.data.check.images import ListedImage, Size
from ray_wssis.data.check.places import PlaceChecker
from ray_wssis.data.coco.place import Place
from ray_wssis.data.problem import Problems, Severity
from ray_wssis.data.records import Click, Point
from ray_wssis.data.survey.annotation import Annotation
from ray_wssis.data.survey.suggestions import is_suggested
from ray_wssis.data.survey.survey import Survey


class AnnotationChecker:
    """Checks annotations one by one; `check_whole` then looks at all of them together."""

    def __init__(
        self, problems: Problems, categories: dict[int, str], images: dict[int, ListedImage]
    ) -> None:
        self.problems = problems
        self.categories = categories  # name by id
        self.images = images  # by id
        self.num_annotations: Counter[int] = Counter()  # by image id
        self.num_masks: Counter[int] = Counter()  # by category id, crowds left out
        self.num_points: Counter[int] = Counter()  # by category id, where no mask is known
        self.num_boxes = 0  # annotations that only a box locates, crowds left out
        self.survey = Survey()
        self.places = PlaceChecker(problems, self.survey)
        self.on_pixel: dict[tuple[int, int, int], list[int]] = defaultdict(list)  # annotation ids

    def check(self, annotations: list[Any]) -> None:
        for number, where, entry in self.problems.entries(annotations, "annotations", "annotation"):
            if is_suggested(entry):
                self.survey.add_suggestion()
                continue
            image = self.problems.number(entry, "image_id", where)
            category = self.problems.number(entry, "category_id", where)
            if category is not None and category not in self.categories:
                found = f"category_id {category}"
                self.problems.add(
                    "error", "unknown category", where, found, self._known_categories()
                )
            if image is None:
                continue
            self.num_annotations[image] += 1
            if image not in self.images:
                found = f"image_id {image}"
                wanted = "the id of an image of this file"
                self.problems.add("error", "unknown image", where, found, wanted)
                continue
            size = self.images[image].size
            if size is not None:
                self.check_shape(number, f"{where} (image {image})", entry, image, category, size)

    def check_shape(
        self,
        number: int,
        where: str,
        entry: dict[str, Any],
        image: int,
        category: int | None,
        size: Size,
    ) -> None:
        """Check an annotation whose image is known, and count it."""
        crowd = self.places.crowd(where, entry)
        if crowd:
            wanted = "nothing: an ignore region in a strong part, left out of a weak one"
            self.problems.add("info", "crowd", where, "a crowd region", wanted)
        place = self.places.place(number, where, entry, size)
        clicks = self.places.clicks(where, entry, size)
        if category is None or place is None:
            return
        ids = number, image, category
        self.survey.add(Annotation.of(ids, size, entry, place, crowd))
        if not crowd:
            self.count(number, image, category, place, clicks)
            if place.mask is None and place.point is not None:
                self._check_seen(where, place.point, self.images[image].annotated, size)

    def count(
        self, number: int, image: int, category: int, place: Place, clicks: list[Click]
    ) -> None:
        """Count an object by class, and note the pixels that it is pointed at."""
        self.num_masks[category] += place.mask is not None
        self.num_points[category] += place.mask is None
        self.num_boxes += place.from_box
        positive = [(click.x, click.y) for click in clicks if click.positive]
        if place.point is not None:
            positive.append(place.point)
        for x, y in {(int(x), int(y)) for x, y in positive}:
            self.on_pixel[image, x, y].append(number)

    def check_whole(self) -> None:
        """Report problems that only show once all annotations were seen."""
        self.problems.found += self.survey.findings(self.categories)
        if self.num_boxes:
            found = f"{self.num_boxes} boxes without mask and point"
            wanted = "masks, unless it is a weak file: there the boxes become points, their centres"
            severity: Severity = "warning" if self.num_masks.total() else "info"
            self.problems.add(severity, "boxes become points", "annotations", found, wanted)
        for (image, x, y), numbers in self.on_pixel.items():
            if len(numbers) > 1:
                found = f"annotations {', '.join(map(str, numbers))} point at pixel ({x}, {y})"
                wanted = "one object per pixel; were they clicked twice?"
                where = f"image {image}"
                self.problems.add("warning", "two points on one pixel", where, found, wanted)
        for image in self.images:
            if not self.num_annotations[image]:
                wanted = "nothing, if there is no object in it"
                self.problems.add("info", "empty image", f"image {image}", "no annotation", wanted)
        for number, name in self.categories.items():
            where = f"category {number} ({name})"
            if not self.num_masks[number] and not self.num_points[number]:
                self.problems.add("info", "unused category", where, "no usable object", "nothing")
            elif not self.num_masks[number] and self.num_masks.total():
                found = f"{self.num_points[number]} points and no mask, others have masks"
                wanted = "a few masks: a class without any cannot be learnt"
                self.problems.add("warning", "class without masks", where, found, wanted)

    def _check_seen(self, where: str, point: Point, annotated: bytes | None, size: Size) -> None:
        if annotated is not None and not masks.contains(annotated, *size, point):
            found = f"the point ({point[0]:g}, {point[1]:g}) is outside the annotated part"
            wanted = "nothing, if it may be ignored; a larger `annotated` otherwise"
            self.problems.add("warning", "ignored point", where, found, wanted)

    def _known_categories(self) -> str:
        known = sorted(self.categories)
        return f"one of {', '.join(map(str, known[:12]))}{', ...' if len(known) > 12 else ''}"
