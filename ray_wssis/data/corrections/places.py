"""Places of corrections: ids alone cannot be trusted, because tools number annotations anew.

An *addition* that lies on an object of its class is that object under a new id.  A correction whose
mask lies on another object, and not on its own, is about that one.  Neither is taken.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from ray_wssis import masks
from ray_wssis.data.corrections.read import Correction
from ray_wssis.data.records import Point

SAME = 0.5  # IoU of two masks of one object, as in average precision
CLOSE = 0.8  # IoU of masks of two classes, from which on one is perhaps the other
APART = 0.1  # IoU of a correction and its object, below which it may be about another


class Known(NamedTuple):
    """Class and place of an object that a correction may be about."""

    label: int
    mask: bytes | None  # None: there is none, or it cannot be read
    point: Point | None = None


class Other(NamedTuple):
    """An object on which a correction lies, and how well."""

    number: int  # its annotation id
    iou: float  # 0 where it has no mask, and the correction contains its point

    def __str__(self) -> str:
        return f"{self.number}, IoU {self.iou:.2f}" if self.iou else f"the point of {self.number}"


@dataclass(kw_only=True)
class Places:
    """Annotation ids of corrections that lie elsewhere than their ids say."""

    doubled: dict[int, Other] = field(default_factory=dict)  # additions that are not taken
    confused: dict[int, Other] = field(default_factory=dict)  # corrections that are not taken
    renamed: dict[int, Other] = field(default_factory=dict)  # additions that are taken
    moved: list[int] = field(default_factory=list)  # taken, though they do not touch their object

    def look(
        self,
        corrections: Mapping[int, Correction],
        objects: Mapping[int, Known],
        height: int,
        width: int,
    ) -> None:
        """Compare the corrections of an image with its objects, both by annotation id."""
        left = {
            number: known
            for number, known in objects.items()
            if number not in corrections or not corrections[number].deleted
        }
        untouched = dict(left)
        for number, correction in corrections.items():
            if number not in left or left[number].mask == correction.mask:
                continue
            if self._is_in_place(number, correction, left, height, width):
                del untouched[number]  # whoever kept its id knows of it
        for number, correction in corrections.items():
            if number in objects or correction.mask is None:
                continue
            other = _closest(correction, untouched, height, width)
            if other is not None and untouched[other.number].label == correction.label:
                self.doubled[number] = other
                continue
            if other is not None and other.iou >= CLOSE:
                self.renamed[number] = other
            untouched[number] = Known(correction.label, correction.mask)

    def _is_in_place(
        self,
        number: int,
        correction: Correction,
        left: Mapping[int, Known],
        height: int,
        width: int,
    ) -> bool:
        """Tell whether a correction can be about its object, and remember if it is elsewhere."""
        own = left[number].mask
        if own is None or correction.mask is None:
            return True
        iou = masks.iou(own, correction.mask, height, width)
        if iou >= APART:
            return True
        others = {other: known for other, known in left.items() if other != number}
        other = _closest(correction, others, height, width)
        if other is not None:
            self.confused[number] = other
        elif iou == 0:
            self.moved.append(number)
        return other is None

    @property
    def refused(self) -> set[int]:
        """Annotation ids of the corrections that are not taken."""
        return {*self.doubled, *self.confused}

    def sentences(self) -> list[str]:
        """Say what lies elsewhere, a sentence for each kind."""
        said = []
        for others, what, advice in (
            (
                self.doubled,
                "added objects lie on objects of their class, and are not added",
                "corrections keep the ids of the objects",
            ),
            (
                self.confused,
                "corrections lie on other objects than those with their ids, and are not taken",
                "has a tool numbered the annotations anew?",
            ),
            (
                self.renamed,
                "added objects lie on objects of another class, and are added all the same",
                "to change a class, keep the id",
            ),
        ):
            if others:
                number, other = next(iter(others.items()))
                said.append(f"{len(others)} {what}: annotation {number} on {other}; {advice}")
        if self.moved:
            said.append(
                f"{len(self.moved)} corrections do not touch the object with their id, and are "
                f"taken all the same: annotation {self.moved[0]}; look at them"
            )
        return said


def _closest(
    correction: Correction, objects: Mapping[int, Known], height: int, width: int
) -> Other | None:
    """Find the object on which the mask of a correction lies, first of all one of its class."""
    numbers = [number for number, known in objects.items() if known.mask is not None]
    ours = [] if correction.mask is None else [correction.mask]
    theirs = [mask for number in numbers if (mask := objects[number].mask) is not None]
    ious = masks.pairwise_iou(ours, theirs, height, width)
    found = [
        Other(number, float(iou))
        for row in ious
        for number, iou in zip(numbers, row, strict=True)
        if iou >= SAME
    ]
    found += [
        Other(number, 0)
        for number, known in objects.items()
        if known.mask is None
        and known.point is not None
        and known.label == correction.label
        and correction.mask is not None
        and masks.contains(correction.mask, height, width, known.point)
    ]
    return max(
        found,
        key=lambda other: (objects[other.number].label == correction.label, other.iou),
        default=None,
    )
