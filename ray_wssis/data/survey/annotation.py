"""An annotation as it was read, for those who look at a file as a whole."""

from dataclasses import dataclass
from typing import Any

from ray_wssis.data.records import Point


@dataclass(frozen=True, kw_only=True, slots=True)
class Annotation:
    """An annotation that was read, and the entry that it was read from."""

    number: int  # its id
    image_id: int
    category_id: int
    height: int  # pixels of its image
    width: int
    entry: dict[str, Any]
    mask: bytes | None  # run-length counts; None: no mask known
    point: Point | None
    crowd: bool
    from_box: bool = False  # the point is the centre of the `bbox`
    unread: str = ""  # why the mask beside the point cannot be read
