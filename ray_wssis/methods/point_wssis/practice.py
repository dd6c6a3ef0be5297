"""Teachers that draw masks of objects whose truth is known (see `rough_masks`)."""

from collections.abc import Mapping, Sequence

from upath import UPath

from ray_wssis.data.annotated import is_ignored
from ray_wssis.data.records import Object, Record
from ray_wssis.instance.segmenter import Segmenter
from ray_wssis.masks import bounding_box
from ray_wssis.methods.point_wssis.point_segmenter import draw_points
from ray_wssis.models.device import best_device
from ray_wssis.streaming.decode import Image
from ray_wssis.streaming.labeller import Infer, Row


def open_teachers(folders: Mapping[str, Sequence[str]]) -> Infer:
    """Load the model folders, which are given by the source of the images that they draw on."""
    device = best_device()
    teachers = {
        source: [Segmenter.load(UPath(folder), device) for folder in own]
        for source, own in folders.items()
    }

    def infer(images: list[Image]) -> list[Row]:
        return [
            row
            for source, own in teachers.items()
            for teacher in own
            for row in draw(teacher, [image for image in images if image.source == source])
        ]

    return infer


def draw(teacher: Segmenter, images: list[Image]) -> list[Row]:
    if not images:
        return []
    output = teacher.forward([image.network_image for image in images])
    rows = []
    for index, image in enumerate(images):
        record = image.record
        objects = drawable(record)
        for sizes in (box_sizes(objects, record.height, record.width), None):
            rough = draw_points(
                teacher,
                output,
                index,
                image.network_image.shape[:2],
                (record.height, record.width),
                [obj.point for obj in objects if obj.point is not None],
                [obj.label for obj in objects],
                sizes,
            )
            rows.append(
                {
                    "image_id": record.image_id,
                    "annotation_id": [obj.annotation_id for obj in objects],
                    "rough": rough.masks,
                }
            )
    return rows


def drawable(record: Record) -> list[Object]:
    """Return the objects with both a mask and a point that are not ignored."""
    return [
        obj
        for obj in record.objects
        if obj.mask is not None and obj.point is not None and not is_ignored(record, obj)
    ]


def box_sizes(objects: list[Object], height: int, width: int) -> list[tuple[float, float]]:
    """Return (width, height) of each object in pixels of the image, `height` x `width`."""
    boxes = [bounding_box(obj.mask, height, width) for obj in objects if obj.mask is not None]
    return [(float(x1 - x0), float(y1 - y0)) for x0, y0, x1, y1 in boxes]
