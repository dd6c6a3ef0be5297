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


def _doubles(group: list[Annotation]) -> Iterator[tuple[Annotation, Annotation]]:
    """Yield an earlier annotation and its double, for every double in an image."""
    if len(group) < 2:
        return
    boxes = np.array([x.mask_box for x in group])
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    classes = np.array([x.category_id for x in group])
    found: set[int] = set()
    for start in range(0, len(group), BLOCK):
        rows = slice(start, start + BLOCK)
        low = np.maximum(boxes[rows, None, :2], boxes[None, :, :2])
        high = np.minimum(boxes[rows, None, 2:], boxes[None, :, 2:])
        both = (high - low).clip(0).prod(axis=2)
        alike = both >= LEAST * np.maximum(areas[rows, None], areas)
        alike &= classes[rows, None] == classes
        for row, j in np.argwhere(alike):
            i = row + start
            if i < j and j not in found and i not in found and _is_same(group[i], group[j]):
                found.add(j)
                yield group[i], group[j]


def _is_same(a: Annotation, b: Annotation) -> bool:
    assert a.mask is not None and b.mask is not None
    return a.mask == b.mask or masks.iou(a.mask, b.mask, a.height, a.width) >= SAME
