"""Outlines that cannot be used, counted by what is wrong with them."""

from collections import defaultdict
from collections.abc import Iterator, Mapping

from ray_wssis.data.coco.outlines import Fault
from ray_wssis.data.problem import Problem
from ray_wssis.data.survey.annotation import Annotation
from ray_wssis.data.survey.counted import named, severity_of

WANTED = {
    Fault.FRACTIONS: "pixels: x times width, y times height of the image (`wssis data fix`)",
    Fault.NO_AREA: "three corners that are not on one line; these annotations are left out",
    Fault.OUTSIDE: "outlines in their image; were they drawn on an image of another size?",
    Fault.OTHER_FORM: "[[x, y, x, y, ...], ...], as `wssis data fix IN OUT` writes them",
}


class OutlineSurvey:
    """Counts outlines by fault."""

    def __init__(self) -> None:
        self.num_good = 0
        self.numbers: dict[Fault, list[int]] = defaultdict(list)  # annotation ids
        self.example: dict[Fault, str] = {}

    def add(self, annotation: Annotation) -> None:
        self.num_good += annotation.mask is not None

    def add_fault(self, number: int, fault: Fault, found: str) -> None:
        """Count the outline of the annotation `number`."""
        self.numbers[fault].append(number)
        self.example.setdefault(fault, found)

    def findings(self, categories: Mapping[int, str]) -> Iterator[Problem]:
        total = self.num_good + sum(map(len, self.numbers.values()))
        for fault, numbers in self.numbers.items():
            yield Problem(
                severity=severity_of(len(numbers), total) if fault is Fault.NO_AREA else "error",
                kind=fault.value,
                where="annotations",
                found=f"{len(numbers)} of {total} masks ({named(numbers)}): {self.example[fault]}",
                wanted=WANTED[fault],
            )
