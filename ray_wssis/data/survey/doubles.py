"""Objects that are in a file twice: the same class, nearly the same mask."""

from collections import defaultdict
from collections.abc import Iterator, Mapping

import numpy as np

from ray_wssis import masks
from ray_wssis.data.problem import Problem
from ray_wssis.data.survey.annotation import Annotation

SAME = 0.95  # IoU of masks from which they are the same object
LEAST = 0.8  # share of the larger box that both boxes cover, below which no mask is compared
BLOCK = 128  # objects of an image that are compared with all others at a time


class DoubleSurvey:
    """Collects the masks of every image, and compares them at the end."""

    def __init__(self) -> None:
        self.of_image: dict[int, list[Annotation]] = defaultdict(list)
        self.num_masks = 0

    def add(self, annotation: Annotation) -> None:
        if annotation.mask is not None and not annotation.crowd:
            self.num_masks += 1
            self.of_image[annotation.image_id].append(annotation)

    def findings(self, categories: Mapping[int, str]) -> Iterator[Problem]:
        doubles = [pair for group in self.of_image.values() for pair in _doubles(group)]
        if doubles:
            first, second = doubles[0]
            yield Problem(
                severity="warning",
                kind="object twice",
                where="annotations",
                found=f"{len(doubles)} of {self.num_masks} masks are those of another annotation "
                f"of the same image and class, as in annotations {first.number} and "
                f"{second.number} (image {first.image_id})",
                wanted="every object once; were files joined or exported twice?",
            )


def _doubles(group: list[Annotation]) -> list[tuple[Annotation, Annotation]]:
    """Find, for every double in an image, an earlier annotation of the same object."""
    first_of: dict[int, int] = {}  # places in the group
    for i, j in _alike(group) if len(group) > 1 else ():
        first, second = min(i, j), max(i, j)
        if second not in first_of and _is_same(group[first], group[second]):
            first_of[second] = first
    return [(group[first_of[second]], group[second]) for second in sorted(first_of)]


def _alike(group: list[Annotation]) -> Iterator[tuple[int, int]]:
    """Yield the places of annotations of one class with nearly the same box."""
    boxes = np.array([x.mask_box for x in group])
    order = np.argsort(boxes[:, 0], kind="stable")
    boxes, classes = boxes[order], np.array([x.category_id for x in group])[order]
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    # Boxes that are alike begin within a quarter (1 / LEAST - 1) of their width.
    last = boxes[:, 0] + (1 / LEAST - 1) * (boxes[:, 2] - boxes[:, 0])
    for start in range(0, len(group), BLOCK):
        rows = slice(start, start + BLOCK)
        others = slice(start, int(np.searchsorted(boxes[:, 0], last[rows].max(), "right")))
        low = np.maximum(boxes[rows, None, :2], boxes[None, others, :2])
        high = np.minimum(boxes[rows, None, 2:], boxes[None, others, 2:])
        both = (high - low).clip(0).prod(axis=2)
        alike = both >= LEAST * np.maximum(areas[rows, None], areas[others])
        alike &= classes[rows, None] == classes[others]
        for i, j in np.argwhere(np.triu(alike, 1)) + start:
            yield int(order[i]), int(order[j])


def _is_same(a: Annotation, b: Annotation) -> bool:
    assert a.mask is not None and b.mask is not None
    return a.mask == b.mask or masks.iou(a.mask, b.mask, a.height, a.width) >= SAME
