"""A COCO file as a whole: what no annotation shows by itself."""

from collections.abc import Iterator, Mapping

from ray_wssis.data.problem import Problem
from ray_wssis.data.survey.annotation import Annotation
from ray_wssis.data.survey.crowds import CrowdSurvey


class Survey:
    """Sees every annotation that was read, and then says what is wrong with all of them.

    There is one finding for each cause, with a count and an example, however many annotations it
    holds for.
    """

    def __init__(self) -> None:
        self.parts = [CrowdSurvey()]

    def add(self, annotation: Annotation) -> None:
        for part in self.parts:
            part.add(annotation)

    def findings(self, categories: Mapping[int, str]) -> Iterator[Problem]:
        """Yield the findings; `categories` are the names by id."""
        for part in self.parts:
            yield from part.findings(categories)
