"""The place of an object in a COCO annotation: a mask, a point, or both.

A point is the first of these that is there: `point`; the only labelled one of `keypoints`; an
outline of one corner; and, in a weak file, the centre of the `bbox`.
"""

from typing import Any, NamedTuple

from ray_wssis import masks
from ray_wssis.data.coco.fields import read_box_centre, read_mask, read_point
from ray_wssis.data.coco.keypoints import is_click, labelled_keypoints
from ray_wssis.data.coco.outlines import read_corner
from ray_wssis.data.records import Point


class Place(NamedTuple):
    """Mask and point of an object; at least one of the two is known."""

    mask: bytes | None  # run-length counts
    point: Point | None  # (x, y), pixel centres at +0.5
    from_box: bool = False  # the point is the centre of the `bbox`
    unread: str = ""  # why the mask beside the point cannot be read


def read_place(
    annotation: dict[str, Any],
    height: int,
    width: int,
    *,
    boxes_as_points: bool = False,
    point_suffices: bool = False,
) -> Place:
    """Read mask and point of a COCO annotation.

    With `point_suffices` a mask that cannot be read does not matter where a point is given.
    Raises ValueError for a malformed or empty mask, a point or a box off the image, or none of
    these.
    """
    mask, complaint = None, None
    try:
        mask = read_known_mask(annotation.get("segmentation"), height, width)
    except ValueError as error:
        complaint = error
    point = read_any_point(annotation, mask, height, width)
    if complaint is not None and read_corner(annotation) is None:
        if point is None or not point_suffices:
            raise complaint
        return Place(None, point, unread=str(complaint))
    from_box = boxes_as_points and mask is None and point is None
    if from_box:
        point = read_box_centre(annotation.get("bbox"), height, width)
    if mask is None and point is None:
        raise ValueError(says_nothing(annotation))
    return Place(mask, point, from_box=from_box)


def read_known_mask(segmentation: Any, height: int, width: int) -> bytes | None:
    """Read a `segmentation` as counts, None for none.  Raises ValueError also when it is empty."""
    mask = read_mask(segmentation, height, width)
    is_rle = isinstance(segmentation, dict)  # outlines are known to have pixels
    if is_rle and mask is not None and masks.area(mask, height, width) == 0:
        raise ValueError("the mask is empty")
    return mask


def read_any_point(
    annotation: dict[str, Any], mask: bytes | None, height: int, width: int
) -> Point | None:
    """Read the point that somebody clicked, however it was written; None for none.

    Several labelled keypoints are no point, and beside a mask they do not matter.  Raises
    ValueError for a malformed point or one off the image.
    """
    point = read_point(annotation.get("point"), height, width)
    if point is None and annotation.get("keypoints") and (mask is None or is_click(annotation)):
        keypoints = labelled_keypoints(annotation)
        if len(keypoints) == 1:
            point = read_point(keypoints[0], height, width)
    if point is None and mask is None:
        point = read_point(read_corner(annotation), height, width)
    return point


def says_nothing(annotation: dict[str, Any]) -> str:
    """Say what an annotation lacks that has no place."""
    found = 'neither a "segmentation" nor a "point"'
    num_keypoints = len(labelled_keypoints(annotation))
    if num_keypoints:
        found += f"; of {num_keypoints} labelled keypoints nothing tells which is on the object"
    return found + ('; a "bbox" alone is enough in a weak file' if annotation.get("bbox") else "")
