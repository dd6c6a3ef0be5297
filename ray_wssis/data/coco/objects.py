"""Annotations of a COCO file, read into objects of their images."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ray_wssis.data.coco.crowds import Crowds
from ray_wssis.data.coco.fields import read_clicks, read_crowd, whole_number
from ray_wssis.data.coco.outlines import OutlineError
from ray_wssis.data.coco.place import read_place
from ray_wssis.data.records import Category, Object, Record
from ray_wssis.data.survey.annotation import Annotation
from ray_wssis.data.survey.survey import Survey


class OpenImage(NamedTuple):
    """An image whose objects are still being collected."""

    image_id: int
    file: str
    width: int
    height: int
    tags: tuple[int, ...] | None
    annotated: bytes | None
    objects: list[Object]

    def record(self) -> Record:
        return Record(**self._asdict() | {"objects": tuple(self.objects)})


class ObjectReader:
    """Reads annotations, adds their objects to the images, and shows them to a survey."""

    def __init__(
        self,
        images: Mapping[int, OpenImage],
        categories: Sequence[Category],
        survey: Survey,
        *,
        boxes_as_points: bool,
        point_suffices: bool,
        crowds: Crowds,
    ) -> None:
        self.images = images
        self.label_of = {category.id: label for label, category in enumerate(categories)}
        self.survey = survey
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
        self.seen.add(number)
        image = self.images.get(whole_number(entry, "image_id", where))
        if image is None:
            raise ValueError(f"{where}: there is no image {entry['image_id']}")
        category = whole_number(entry, "category_id", where)
        if category not in self.label_of:
            raise ValueError(f"{where}: there is no category {entry['category_id']}")
        where = f"{where} (image {image.image_id})"
        try:
            place = read_place(
                entry,
                image.height,
                image.width,
                boxes_as_points=self.boxes_as_points,
                point_suffices=self.point_suffices,
            )
            clicks = read_clicks(entry, image.height, image.width)
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
        image.objects.append(obj)
        ids = number, image.image_id, category
        size = image.height, image.width
        self.survey.add(Annotation.of(ids, size, entry, place, crowd))
