"""Masks that do not lie on the `bbox` of their own annotation, or have another area.

Neither `bbox` nor `area` is needed where there is a mask.  But where a tool wrote them, a mask in
another place means that one of the two was converted wrongly, and it is mostly the mask.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from statistics import median

from ray_wssis import masks
from ray_wssis.data.problem import Problem
from ray_wssis.data.survey.annotation import Annotation
from ray_wssis.data.survey.box_causes import (
    Box,
    box_iou,
    likely_cause,
    listed_box,
    outline_box,
    scale_of,
)
from ray_wssis.data.survey.counted import named, severity_of

LOWEST_IOU = 0.5  # of the boxes; none of 12,657 masks of public data sets is below
AREA_FACTOR = 2.0  # by which an area may be off: tools count differently
AREA_MARGIN = 4.0  # square pixels, for the smallest objects
LARGEST_AREA = 1e12  # square pixels; anything else is no area
MANY_AREAS = 0.05  # share from which odd areas are a mistake: those of thin objects are inexact
MOST_CAUSES = 30  # mismatches whose cause is looked for


class BoxSurvey:
    """Compares masks with the boxes and areas beside them."""

    def __init__(self) -> None:
        self.num_boxes = self.num_areas = 0
        self.elsewhere: list[int] = []  # annotation ids
        self.example = ""
        self.causes: Counter[str] = Counter()
        self.scales: list[float] = []  # of outlines that are larger or smaller than their boxes
        self.odd_areas: list[int] = []
        self.area_example = ""

    def add(self, annotation: Annotation) -> None:
        place = annotation.mask_box
        if place is None:
            return
        box = listed_box(annotation.entry)
        if box is not None:
            self.num_boxes += 1
            if box_iou(place, box) < LOWEST_IOU:
                outline = outline_box(annotation.entry)  # uncut, as tools take the box of it
                if outline is None or box_iou(outline, box) < LOWEST_IOU:
                    self._add_elsewhere(annotation, place, box)
                    return
        area = annotation.entry.get("area")
        if isinstance(area, int | float) and 0 < area < LARGEST_AREA:
            self.num_areas += 1
            self._compare_area(annotation, place, area)

    def findings(self, categories: Mapping[int, str]) -> Iterator[Problem]:
        if self.elsewhere:
            yield Problem(
                severity=severity_of(len(self.elsewhere), self.num_boxes),
                kind="mask and box apart",
                where="annotations",
                found=f"{len(self.elsewhere)} of {self.num_boxes} masks ({named(self.elsewhere)}) "
                f"do not lie on the `bbox` of the same annotation: {self.example}",
                wanted=f"masks on their boxes{self._hint()}",
            )
        if len(self.odd_areas) > MANY_AREAS * self.num_areas:
            yield Problem(
                severity=severity_of(len(self.odd_areas), self.num_areas),
                kind="mask and area apart",
                where="annotations",
                found=f"{len(self.odd_areas)} of {self.num_areas} areas ({named(self.odd_areas)}) "
                f"cannot be those of their masks: {self.area_example}",
                wanted="the pixels of the mask as `area`, or none; were the masks scaled?",
            )

    def _compare_area(self, annotation: Annotation, place: Box, area: float) -> None:
        most = (place[2] - place[0]) * (place[3] - place[1])  # a mask may fill its box
        if most <= AREA_FACTOR * area + AREA_MARGIN and area <= AREA_FACTOR * most + AREA_MARGIN:
            return
        assert annotation.mask is not None
        pixels = masks.area(annotation.mask, annotation.height, annotation.width)
        if area > most or AREA_FACTOR * area + AREA_MARGIN < pixels:
            self.odd_areas.append(annotation.number)
            self.area_example = self.area_example or f"{area:g}, the mask has {pixels} pixels"

    def _add_elsewhere(self, annotation: Annotation, place: Box, box: Box) -> None:
        self.elsewhere.append(annotation.number)
        if len(self.elsewhere) > MOST_CAUSES:
            return
        if not self.example:
            self.example = f"{_written(box)}, the mask is at {_written(place)}"
        cause = likely_cause(annotation, place, box)
        if cause is None and (scale := scale_of(annotation, place, box)):
            cause = "scaled"
            self.scales.append(scale)
        if cause is not None:
            self.causes[cause] += 1

    def _hint(self) -> str:
        """Name the cause that explains most mismatches, if it explains the greater part."""
        looked_at = min(len(self.elsewhere), MOST_CAUSES)
        for cause, number in self.causes.most_common(1):
            if 2 * number > looked_at:
                if cause == "scaled":
                    cause = (
                        f"the masks are about {median(self.scales):.3g} times as large as the "
                        "boxes, as outlines of an image of another size are"
                    )
                return f"; probable cause: {cause}"
        return "; were masks or boxes of other annotations or images taken?"


def _written(box: Box) -> str:
    """Write a box as COCO does."""
    x0, y0, x1, y1 = box
    return f"[{x0:g}, {y0:g}, {x1 - x0:g}, {y1 - y0:g}]"
