"""Suggestions of a network among the labels: annotations that nobody has accepted."""

from collections.abc import Iterator
from typing import Any

from ray_wssis.data.problem import Problem

SUGGESTED = "suggested"  # key of an annotation


def is_suggested(annotation: Any) -> bool:
    """Tell whether an annotation is what a network suggests, and no label of a person."""
    return isinstance(annotation, dict) and annotation.get(SUGGESTED) is True


class SuggestionSurvey:
    """Counts suggestions, which are left out."""

    def __init__(self) -> None:
        self.number = 0

    def findings(self) -> Iterator[Problem]:
        if self.number:
            yield Problem(
                severity="warning",
                kind="suggestions",
                where="annotations",
                found=f"{self.number} annotations are suggestions and are left out",
                wanted=(
                    "labels that a person accepted: `wssis label-page IMAGES --suggestions FILE` "
                    "shows suggestions to accept"
                ),
            )
