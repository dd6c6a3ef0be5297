"""Outlines and boxes that reach far beyond their image, where masks are cut off."""

from collections.abc import Iterator, Mapping

from ray_wssis.data.problem import Problem
from ray_wssis.data.survey.annotation import Annotation
from ray_wssis.data.survey.box_causes import Box, listed_box, outline_box
from ray_wssis.data.survey.counted import named, severity_of

MARGIN = 2.0  # pixels that a corner may lie off the image
MARGIN_SHARE = 0.02  # of the side, besides
MANY_OUTLINES = 0.01  # share from which outlines beyond the image are worth a line
MANY_BOXES = 0.2  # share from which boxes beyond the image are a mistake
FEWEST_BOXES = 3


class BorderSurvey:
    """Counts outlines, their corners, and boxes that stand for points, beyond the image."""

    def __init__(self) -> None:
        self.num_outlines = self.num_corners = self.num_corners_off = 0
        self.outlines: list[int] = []  # annotation ids
        self.example = ""
        self.num_boxes = 0
        self.boxes: list[int] = []
        self.num_like_corners = 0  # boxes that may be [x0, y0, x1, y1]

    def add(self, annotation: Annotation) -> None:
        if annotation.mask is not None:
            self._add_outline(annotation)
        elif annotation.from_box and (box := listed_box(annotation.entry)) is not None:
            self.num_boxes += 1
            x, y, across, down = annotation.entry["bbox"]
            self.num_like_corners += across > x and down > y
            if _is_off(box, annotation):
                self.boxes.append(annotation.number)

    def findings(self, categories: Mapping[int, str]) -> Iterator[Problem]:
        if len(self.outlines) > MANY_OUTLINES * self.num_outlines:
            share = self.num_corners_off / self.num_corners
            yield Problem(
                severity=severity_of(len(self.outlines), self.num_outlines),
                kind="outlines beyond the image",
                where="annotations",
                found=f"{len(self.outlines)} of {self.num_outlines} outlines "
                f"({named(self.outlines)}) reach beyond their image, where their masks are cut "
                f"off; {share:.0%} of all corners are outside; {self.example}",
                wanted="outlines within their image; were they drawn on an image of another size?",
            )
        if len(self.boxes) >= max(FEWEST_BOXES, MANY_BOXES * self.num_boxes):
            corners = self.num_like_corners == self.num_boxes
            yield Problem(
                severity=severity_of(len(self.boxes), self.num_boxes),
                kind="boxes beyond the image",
                where="annotations",
                found=f"{len(self.boxes)} of {self.num_boxes} boxes ({named(self.boxes)}) reach "
                "beyond their image, and their centres become points",
                wanted="[x, y, width, height]" + ("; are these [x0, y0, x1, y1]?" * corners),
            )

    def _add_outline(self, annotation: Annotation) -> None:
        polygons = annotation.entry.get("segmentation")
        if not isinstance(polygons, list):
            return
        self.num_outlines += 1
        self.num_corners += sum(map(len, polygons)) // 2
        if not _touches_border(annotation):  # nor does the outline, but for spikes
            return
        outline = outline_box(annotation.entry)
        if outline is None or not _is_off(outline, annotation):
            return
        self.outlines.append(annotation.number)
        if not self.example:
            x = outline[0] if -outline[0] > outline[2] - annotation.width else outline[2]
            y = outline[1] if -outline[1] > outline[3] - annotation.height else outline[3]
            self.example = (
                f"annotation {annotation.number} reaches to ({x:g}, {y:g}) in an image of "
                f"{annotation.width} x {annotation.height}"
            )
        self.num_corners_off += sum(
            not (0 <= part[i] <= annotation.width and 0 <= part[i + 1] <= annotation.height)
            for part in polygons
            for i in range(0, len(part), 2)
        )


def _touches_border(annotation: Annotation) -> bool:
    x0, y0, x1, y1 = annotation.mask_box or (0, 0, 0, 0)
    return x0 == 0 or y0 == 0 or x1 == annotation.width or y1 == annotation.height


def _is_off(box: Box, annotation: Annotation) -> bool:
    width, height = annotation.width, annotation.height
    across, down = MARGIN + MARGIN_SHARE * width, MARGIN + MARGIN_SHARE * height
    x0, y0, x1, y1 = box
    return x0 < -across or y0 < -down or x1 > width + across or y1 > height + down
