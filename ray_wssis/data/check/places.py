"""Checks of the place of an annotation: its mask, its points, its box."""

from typing import Any

from ray_wssis.data.check.images import Size
from ray_wssis.data.coco.fields import (
    CLICK_KEYS,
    listed_points,
    read_box_centre,
    read_click,
    read_crowd,
)
from ray_wssis.data.coco.keypoints import labelled_keypoints
from ray_wssis.data.coco.outlines import OutlineError, read_corner
from ray_wssis.data.coco.place import Place, read_any_point, read_known_mask
from ray_wssis.data.problem import Problems
from ray_wssis.data.records import Click, Point
from ray_wssis.data.survey.survey import Survey


class PlaceChecker:
    """Finds the place of an annotation as the reader does, but reports and continues."""

    def __init__(self, problems: Problems, survey: Survey) -> None:
        self.problems = problems
        self.survey = survey

    def place(self, number: int, where: str, entry: dict[str, Any], size: Size) -> Place | None:
        """Check mask and point of an annotation, each on its own, or else its box."""
        mask, complaint = None, None
        try:
            mask = read_known_mask(entry.get("segmentation"), *size)
        except ValueError as error:
            complaint = error if read_corner(entry) is None else None
        try:
            point = read_any_point(entry, mask, *size)
        except ValueError as error:
            self._bad_point(where, str(error), size)
            if complaint is not None:
                self._bad_mask(number, where, complaint)
            return None if mask is None else Place(mask, None)
        if complaint is None:
            from_box = mask is None and point is None
            point = self._box_centre(where, entry, size) if from_box else point
            return Place(mask, point, from_box=from_box) if mask or point else None
        if point is None:
            self._bad_mask(number, where, complaint)
            return None
        return Place(None, point, unread=str(complaint))

    def crowd(self, where: str, entry: dict[str, Any]) -> bool:
        try:
            return read_crowd(entry)
        except ValueError as error:
            found, _, wanted = str(error).partition(", it must be ")
            self.problems.add("error", "malformed entry", where, found, wanted)
            return False

    def clicks(self, where: str, entry: dict[str, Any], size: Size) -> list[Click]:
        clicks = []
        for key in CLICK_KEYS:
            try:
                points = listed_points(entry, key)
            except ValueError as error:
                self.problems.add("error", "malformed point", where, str(error), "[[x, y], ...]")
                continue
            for point in points:
                try:
                    clicks.append(read_click(key, point, *size))
                except ValueError as error:
                    self._bad_point(where, str(error), size)
        return clicks

    def _bad_mask(self, number: int, where: str, complaint: ValueError) -> None:
        if isinstance(complaint, OutlineError):
            self.survey.add_fault(number, complaint)
        elif str(complaint) == "the mask is empty":
            wanted = "at least one pixel; remove the annotation or repair it"
            self.problems.add("error", "empty mask", where, "the mask has no pixel", wanted)
        else:
            wanted = "polygons or an RLE"
            self.problems.add("error", "malformed mask", where, str(complaint), wanted)

    def _bad_point(self, where: str, found: str, size: Size) -> None:
        kind = "point outside the image" if "outside" in found else "malformed point"
        wanted = f"[x, y] with 0 <= x < {size[1]} and 0 <= y < {size[0]}"
        self.problems.add("error", kind, where, found, wanted)

    def _box_centre(self, where: str, entry: dict[str, Any], size: Size) -> Point | None:
        try:
            centre = read_box_centre(entry.get("bbox"), *size)
        except ValueError as error:
            kind = "box outside the image" if "outside" in str(error) else "malformed box"
            wanted = f"[x, y, width, height] with a part in {size[1]} x {size[0]} pixels"
            self.problems.add("error", kind, where, str(error), wanted)
            return None
        if centre is None:
            self._no_place(where, entry)
        return centre

    def _no_place(self, where: str, entry: dict[str, Any]) -> None:
        found = "neither segmentation nor point, and no bbox"
        others = [key for key in CLICK_KEYS if entry.get(key)]
        others += ["several keypoints"] if labelled_keypoints(entry) else []
        found += f"; only {' beside '.join(others)}" if others else ""
        self.problems.add("error", "no mask, no point", where, found, "at least one of them")
