"""An annotation as it was read, for those who look at a file as a whole."""

from dataclasses import dataclass
from typing import Any

from ray_wssis import masks
from ray_wssis.data.coco.place import Place
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
    mask_box: tuple[int, int, int, int] | None  # x0, y0, x1, y1 around the mask
    point: Point | None
    from_box: bool  # the point is the centre of the `bbox`
    unread: str  # why the mask beside the point cannot be read
    crowd: bool

    @classmethod
    def of(
        cls, ids: tuple[int, int, int], size: tuple[int, int], entry: Any, place: Place, crowd: bool
    ) -> "Annotation":
        """Describe what was read; `ids` are annotation, image and category, `size` is (h, w)."""
        return cls(
            number=ids[0],
            image_id=ids[1],
            category_id=ids[2],
            height=size[0],
            width=size[1],
            entry=entry,
            mask=place.mask,
            mask_box=None if place.mask is None else masks.bounding_box(place.mask, *size),
            point=place.point,
            from_box=place.from_box,
            unread=place.unread,
            crowd=crowd,
        )
