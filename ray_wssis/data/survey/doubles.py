"""Objects that are in a file twice: the same class, nearly the same mask."""

from array import array
from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from ray_wssis import masks
from ray_wssis.data.problem import Problem
from ray_wssis.data.survey.annotation import Annotation

SAME = 0.95  # IoU of masks from which they are the same object
LEAST = 0.8  # share of the larger box that both boxes cover, below which no mask is compared
BLOCK = 128  # objects of an image that are compared with all others at a time

Places = NDArray[np.int64]


class DoubleSurvey:
    """Collects the masks of all images in columns, and compares those of an image at the end."""

    def __init__(self) -> None:
        self.images, self.numbers, self.categories = array("q"), array("q"), array("q")
        self.sizes = array("q")  # height and width of each
        self.boxes = array("i")  # x0, y0, x1, y1 of each
        self.masks = bytearray()  # all of them, one after the other
        self.ends = array("q")

    def add(self, annotation: Annotation) -> None:
        if annotation.mask is None or annotation.mask_box is None or annotation.crowd:
            return
        self.images.append(annotation.image_id)
        self.numbers.append(annotation.number)
        self.categories.append(annotation.category_id)
        self.sizes.extend((annotation.height, annotation.width))
        self.boxes.extend(annotation.mask_box)
        self.masks += annotation.mask
        self.ends.append(len(self.masks))

    def findings(self, categories: Mapping[int, str]) -> Iterator[Problem]:
        boxes, classes = np.asarray(self.boxes).reshape(-1, 4), np.asarray(self.categories)
        doubles = [
            (int(group[first]), int(group[second]))
            for group in self._groups()
            if len(group) > 1
            for first, second in self._doubles(group, boxes[group], classes[group])
        ]
        if doubles:
            first, second = doubles[0]
            yield Problem(
                severity="warning",
                kind="object twice",
                where="annotations",
                found=f"{len(doubles)} of {len(self.numbers)} masks are those of another "
                f"annotation of the same image and class, as in annotations {self.numbers[first]} "
                f"and {self.numbers[second]} (image {self.images[first]})",
                wanted="every object once; were files joined or exported twice?",
            )

    def _groups(self) -> Iterator[Places]:
        """Yield the places of the masks of each image, in the order of the first of them."""
        images = np.asarray(self.images)
        order = np.argsort(images, kind="stable")
        borders = np.flatnonzero(np.diff(images[order])) + 1
        starts, ends = np.append(0, borders), np.append(borders, len(order))
        for group in np.argsort(order[starts]) if len(order) else ():
            yield order[starts[group] : ends[group]]

    def _doubles(self, group: Places, boxes: Places, classes: Places) -> list[tuple[int, int]]:
        """Find, for every double in an image, an earlier annotation of the same object."""
        first_of: dict[int, int] = {}  # places in the group
        for i, j in _alike(boxes, classes):
            first, second = min(i, j), max(i, j)
            if second not in first_of and self._is_same(int(group[first]), int(group[second])):
                first_of[second] = first
        return [(first_of[second], second) for second in sorted(first_of)]

    def _is_same(self, one: int, other: int) -> bool:
        a, b = self._mask(one), self._mask(other)
        return a == b or masks.iou(a, b, *self.sizes[2 * one : 2 * one + 2]) >= SAME

    def _mask(self, place: int) -> bytes:
        start = self.ends[place - 1] if place else 0
        return bytes(self.masks[start : self.ends[place]])


def _alike(boxes: Places, classes: Places) -> Iterator[tuple[int, int]]:
    """Yield the places of masks of one class with nearly the same box (x0, y0, x1, y1)."""
    order = np.argsort(boxes[:, 0], kind="stable")
    boxes, classes = boxes[order], classes[order]
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    # Boxes that are alike begin within a quarter (1 / LEAST - 1) of their width.
    last = boxes[:, 0] + (1 / LEAST - 1) * (boxes[:, 2] - boxes[:, 0])
    for start in range(0, len(boxes), BLOCK):
        rows = slice(start, start + BLOCK)
        others = slice(start, int(np.searchsorted(boxes[:, 0], last[rows].max(), "right")))
        low = np.maximum(boxes[rows, None, :2], boxes[None, others, :2])
        high = np.minimum(boxes[rows, None, 2:], boxes[None, others, 2:])
        both = (high - low).clip(0).prod(axis=2)
        alike = both >= LEAST * np.maximum(areas[rows, None], areas[others])
        alike &= classes[rows, None] == classes[others]
        for i, j in np.argwhere(np.triu(alike, 1)) + start:
            yield int(order[i]), int(order[j])
