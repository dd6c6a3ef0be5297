"""Huge images, labelled tile by tile: a row of drafts for each, as if it were seen at once.

Beyond the paper.  A point belongs to the tile in whose middle it lies most, and its mask is drawn
there alone; so nothing has to be joined at the seams, and an object that reaches no farther from
its point than half of what neighbours have in common is seen whole.  One tile is in the networks at
a time.
"""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ray_wssis.data.images.read import resize_image, shortest_edge_size
from ray_wssis.data.records import Click, Object
from ray_wssis.instance.label_row import begin_row
from ray_wssis.instance.tile_config import Corner, TileConfig
from ray_wssis.masks import placed
from ray_wssis.methods.point_wssis.refined_mask import Answer
from ray_wssis.streaming.decode import Image
from ray_wssis.streaming.labeller import Row

OF_OBJECTS = ("rough", "level", "class_score", "maskness", "level_margin", "answers")

Drafts = Callable[[list[Image]], list[Row]]


def rows_of(
    images: list[Image], config: TileConfig, sides: tuple[int, int], draft: Drafts
) -> list[Row]:
    """Draft the masks of all points of some images, those that are too large by their tiles.

    `draft` does so for images that are seen at once, at most `sides` large: shorter and longest.
    """
    sizes = [(image.record.height, image.record.width) for image in images]
    at_once = [image for image, size in zip(images, sizes, strict=True) if not config.cuts(*size)]
    drawn = iter(draft(at_once) if at_once else [])
    return [
        row_of(image, config, sides, draft) if config.cuts(*size) else next(drawn)
        for image, size in zip(images, sizes, strict=True)
    ]


def row_of(image: Image, config: TileConfig, sides: tuple[int, int], draft: Drafts) -> Row:
    """Draft the masks of one image by its tiles."""
    record, size = image.record, (image.record.height, image.record.width)
    pointed = [obj for obj in record.objects if obj.point is not None]
    corners = config.corners(record.height, record.width)
    own: dict[int, list[int]] = defaultdict(list)
    for place, obj in enumerate(pointed):
        assert obj.point is not None
        own[config.innermost(obj.point, corners)].append(place)
    found: dict[str, list[Any]] = {name: [None] * len(pointed) for name in OF_OBJECTS}
    for tile, places in sorted(own.items()):
        cut, seen = cut_out(image, pointed, corners[tile], config, sides)
        (row,) = draft([cut])
        for place in places:
            item = seen.index(place)
            for name in OF_OBJECTS:
                found[name][place] = row[name][item]
            x0, y0 = corners[tile][1], corners[tile][0]
            if (mask := row["rough"][item]) is not None:
                own_size = cut.record.height, cut.record.width
                found["rough"][place] = placed(mask, own_size, (y0, x0), size)
            found["answers"][place] = moved_answer(row["answers"][item], x0, y0)
    return begin_row(record) | found


def cut_out(
    image: Image,
    pointed: list[Object],
    corner: Corner,
    config: TileConfig,
    sides: tuple[int, int],
) -> tuple[Image, list[int]]:
    """Return a tile as an image of its own, and the places of the objects whose points it shows."""
    y0, x0 = corner
    pixels = image.pixels[y0 : y0 + config.size, x0 : x0 + config.size]
    height, width = pixels.shape[:2]
    seen = [
        place
        for place, obj in enumerate(pointed)
        if obj.point is not None
        and x0 <= obj.point[0] < x0 + width
        and y0 <= obj.point[1] < y0 + height
    ]
    record = replace(
        image.record,
        width=width,
        height=height,
        objects=tuple(moved_object(pointed[place], x0, y0) for place in seen),
        class_map=None,
        annotated=None,
        confidence=None,
    )
    small = resize_image(pixels, *shortest_edge_size(height, width, *sides))
    return replace(image, record=record, pixels=pixels, network_image=small), seen


def moved_object(obj: Object, x0: int, y0: int) -> Object:
    """Move the point and the clicks of an object into a tile; masks are none of its business."""
    assert obj.point is not None
    clicks = tuple(Click(click.x - x0, click.y - y0, click.positive) for click in obj.clicks)
    return replace(obj, point=(obj.point[0] - x0, obj.point[1] - y0), clicks=clicks, mask=None)


def moved_answer(answer: Answer | None, x0: int, y0: int) -> Answer | None:
    """Move what the refiner said from a tile to its place in the image."""
    if answer is None:
        return None
    left, top, right, bottom = answer.box
    return replace(answer, box=(left + x0, top + y0, right + x0, bottom + y0))
