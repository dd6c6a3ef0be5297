"""Annotations of a COCO file, read into objects of their images."""

from collections.abc import Sequence, Set
from typing import Any

from ray_wssis.data.coco.collected import Collected
from ray_wssis.data.coco.crowds import Crowds
from ray_wssis.data.coco.fields import read_clicks, read_crowd, whole_number
from ray_wssis.data.coco.outlines import OutlineError
from ray_wssis.data.coco.place import read_place
from ray_wssis.data.records import Category, Object
from ray_wssis.data.survey.annotation import Annotation
from ray_wssis.data.survey.survey import Survey


class ObjectReader:
    """Reads annotations, adds their objects to the images, and shows them to a survey.

    Of the ids, those in `repeated` alone may occur more than once.
    """

    def __init__(
        self,
        images: Collected,
        categories: Sequence[Category],
        survey: Survey,
        repeated: Set[int],
        *,
        boxes_as_points: bool,
        point_suffices: bool,
        crowds: Crowds,
    ) -> None:
        self.images = images
        self.label_of = {category.id: label for label, category in enumerate(categories)}
        self.survey = survey
        self.repeated = repeated
        self.boxes_as_points = boxes_as_points
        self.point_suffices = point_suffices
        self.crowds_count = crowds is Crowds.OBJECTS
        self.seen: set[int] = set()

    def read(self, entry: Any) -> None:
        """Read one annotation.  Raises ValueError, naming it."""
        number = whole_number(entry, "id", "an annotation")
        where = f"annotation {number}"
        if number in self.seen:
            raise ValueError(f"{where}: the id occurs twice")
        if number in self.repeated:
            self.seen.add(number)
        image_id = whole_number(entry, "image_id", where)
        image = self.images.place_of.get(image_id)
        if image is None:
            raise ValueError(f"{where}: there is no image {entry['image_id']}")
        category = whole_number(entry, "category_id", where)
        if category not in self.label_of:
            raise ValueError(f"{where}: there is no category {entry['category_id']}")
        where = f"{where} (image {image_id})"
        size = self.images.heights[image], self.images.widths[image]
        try:
            place = read_place(
                entry,
                *size,
                boxes_as_points=self.boxes_as_points,
                point_suffices=self.point_suffices,
            )
            clicks = read_clicks(entry, *size)
            crowd = read_crowd(entry) and not self.crowds_count
        except OutlineError as error:
            self.survey.add_fault(number, error)
            raise OutlineError(error.fault, f"{where}: {error}") from error
        except ValueError as error:
            raise ValueError(f"{where}: {error}") from error
        obj = Object(
            annotation_id=number,
            label=self.label_of[category],
            mask=place.mask,
            point=place.point,
            crowd=crowd,
            clicks=clicks,
        )
        self.images.add(image, obj)
        ids = number, image_id, category
        self.survey.add(Annotation.of(ids, size, entry, place, crowd))
