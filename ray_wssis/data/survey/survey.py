"""A COCO file as a whole: what no annotation shows by itself."""

from collections.abc import Iterator, Mapping
from typing import Protocol

from ray_wssis.data.coco.outlines import OutlineError
from ray_wssis.data.problem import Problem
from ray_wssis.data.survey.annotation import Annotation
from ray_wssis.data.survey.borders import BorderSurvey
from ray_wssis.data.survey.boxes import BoxSurvey
from ray_wssis.data.survey.crowds import CrowdSurvey
from ray_wssis.data.survey.doubles import DoubleSurvey
from ray_wssis.data.survey.outlines import OutlineSurvey
from ray_wssis.data.survey.points import PointSurvey
from ray_wssis.data.survey.quarter import QuarterSurvey
from ray_wssis.data.survey.suggestions import SuggestionSurvey


class Part(Protocol):
    """A survey of one kind of mistake."""

    def add(self, annotation: Annotation) -> None: ...

    def findings(self, categories: Mapping[int, str]) -> Iterator[Problem]: ...


class Survey:
    """Sees every annotation that was read, and then says what is wrong with all of them.

    There is one finding for each cause, with a count and an example, however many annotations it
    holds for.
    """

    def __init__(self) -> None:
        self.outlines = OutlineSurvey()
        self.suggestions = SuggestionSurvey()
        self.parts: list[Part] = [
            CrowdSurvey(),
            self.outlines,
            PointSurvey(),
            BoxSurvey(),
            BorderSurvey(),
            QuarterSurvey(),
            DoubleSurvey(),
        ]

    def add(self, annotation: Annotation) -> None:
        for part in self.parts:
            part.add(annotation)

    def add_fault(self, number: int, error: OutlineError) -> None:
        """See the annotation `number`, whose outline cannot be used."""
        self.outlines.add_fault(number, error.fault, str(error))

    def add_suggestion(self) -> None:
        """See an annotation that is left out because nobody has accepted it."""
        self.suggestions.number += 1

    def findings(self, categories: Mapping[int, str]) -> Iterator[Problem]:
        """Yield the findings; `categories` are the names by id."""
        for part in self.parts:
            yield from part.findings(categories)
        yield from self.suggestions.findings()
